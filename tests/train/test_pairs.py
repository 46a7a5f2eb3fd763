"""Rendered videos with captions: to learn from, and held out."""

import numpy as np
import torch

from vidskim.models.tokenizer import Tokenizer
from vidskim.synth.captions import all_phrases
from vidskim.synth.vocabulary import Split
from vidskim.train.pairs import RenderedPairs, Texts, held_out_rendered, open_rendered

TEXTS = Texts(Tokenizer.learn(all_phrases(), merges=600), 32)


def test_batches_are_pairs_and_their_number_decides_them() -> None:
    source = RenderedPairs(texts=TEXTS, frames=3, side=24, looks=2, each=3)
    batch, again, other = source[4], source[4], source[5]
    assert batch["frames"].shape == (6, 3, 24, 24, 3)
    assert batch["frames"].dtype == torch.uint8
    assert len(batch["ids"]) == len(set(batch["owners"].tolist())) == 6
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(batch["frames"], other["frames"])
    assert not torch.equal(
        batch["frames"], RenderedPairs(texts=TEXTS, frames=3, side=24, looks=2, each=3, seed=1)[4]["frames"]
    )


def test_what_is_held_out_is_always_the_same() -> None:
    first, again = (held_out_rendered(frames=2, side=24, looks=2, each=3) for _ in range(2))
    assert first.count == len(first.sentences) == len(first.owners) == 6
    assert list(first.sentences) == list(again.sentences)
    assert np.array_equal(first.read(3), again.read(3))
    assert list(held_out_rendered(frames=2, side=24, split=Split.TEST, looks=2, each=3).sentences) != list(
        first.sentences
    )


def test_rendered_videos_have_no_end() -> None:
    pairs = open_rendered(RenderedPairs(texts=TEXTS, frames=2, side=24, looks=1, each=2))
    assert pairs.sentences is None
    assert pairs.held_out.count == 256


def test_ids_are_cut_to_the_longest_sentence() -> None:
    ids = TEXTS.encode(["a red star", "a big blue half moon moves to the left"])
    assert ids.shape[1] < 32
    assert (ids[:, -1] == TEXTS.tokenizer.end_id).all()
    assert ids[1, -2] != TEXTS.tokenizer.end_id
