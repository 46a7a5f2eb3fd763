"""The text tower alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidskim.errors import CheckpointError
from vidskim.pipeline.load import load_model, load_text_encoder

TEXTS = ["a dog", "a cat on a mat", ""]


def test_it_gives_what_the_whole_model_gives(clip_folder: Path) -> None:
    (clip_folder / "vidskim.json").write_text('{"min_score": 0.25}')
    encoder = load_model(clip_folder, dtype="float32")
    texts = load_text_encoder(clip_folder, dtype="float32")
    torch.testing.assert_close(texts.encode_text(TEXTS), encoder.encode_text(TEXTS), atol=0, rtol=0)
    assert (texts.model, texts.weights) == (encoder.fingerprint.model, encoder.fingerprint.weights)
    assert texts.encode_text([]).shape == (0, encoder.dim)
    assert texts.min_score == encoder.min_score == 0.25


def test_tokens_are_counted_as_the_tower_reads_them(clip_folder: Path) -> None:
    texts = load_text_encoder(clip_folder)
    assert texts.tower is not None
    assert texts.tokenizer is not None
    context = texts.tower.config.context
    assert texts.count_tokens(TEXTS) == sum(texts.tokenizer.count(TEXTS, context))
    assert texts.count_tokens(["dog " * 1000]) == context
    assert texts.count_tokens([""]) == 2


def test_without_tower_or_tokenizer_the_message_says_what_to_do(clip_folder: Path) -> None:
    texts = load_text_encoder(clip_folder)
    with pytest.raises(CheckpointError, match="has no text tower; load a CLIP checkpoint"):
        replace(texts, tower=None).encode_text(TEXTS)
    with pytest.raises(
        CheckpointError,
        match=r"files; put its tokenizer\.json, .*, or pass load_model\(\.\.\., tokenizer=PATH",
    ):
        replace(texts, tokenizer=None).encode_text(TEXTS)
