"""What TempMe's authors trained is told from the CLIP it was trained beside."""

from pathlib import Path

import pytest
import torch

from vidskim.errors import CheckpointError
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.layouts.tempme import is_authors, read_authors
from vidskim.models.weights import read_weights

FIXTURE = Path(__file__).parents[2] / "fixtures" / "tempme"


def test_every_trained_tensor_is_found() -> None:
    state = read_weights(FIXTURE)
    base, (vision, text, positions) = read_authors(state)
    assert is_authors(state)
    assert not is_authors(base)
    assert len(base) + 2 * (len(vision) + len(text)) + len(positions) == len(state)
    assert [list(part.shape) for part in vision[5]] == [[8, 128], [384, 8]]
    assert [list(part.shape) for part in text[1]] == [[8, 64], [192, 8]]
    name = "clip.visual.transformer.resblocks.3.TVPt_Video_Positional_embedding"
    assert torch.equal(positions[3], state[name][0, :, 0])


def test_a_plain_clip_has_nothing_trained() -> None:
    base, _ = read_authors(read_weights(FIXTURE))
    assert read_authors(base) == (base, ({}, {}, {}))
    plain, trained = (read_checkpoint(FIXTURE, state=state) for state in (base, read_weights(FIXTURE)))
    assert plain.adapter is None
    assert trained.adapter is not None
    assert plain.adapted(trained.adapter).weights_hash == trained.weights_hash


def test_what_was_not_released_is_named() -> None:
    state = read_weights(FIXTURE)
    half = "clip.transformer.resblocks.1.attn.TVPt_LoRA_b"
    with pytest.raises(CheckpointError, match=r"unknown clip.x.TVPt_gate; .* or the reverse in block 1"):
        read_authors({**{n: v for n, v in state.items() if n != half}, "clip.x.TVPt_gate": torch.ones(1)})
