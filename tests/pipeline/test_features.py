"""Features and Trace: checked, printed, joined."""

import dataclasses

import numpy as np
import pytest
import torch

from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features, Trace

PRINT = Fingerprint("m", "w", {}, "full")


def features(times: list[float]) -> Features:
    t = len(times)
    return Features(torch.ones(t, 4), np.array(times), np.array(["I"] * t), 10**9, PRINT)


def test_print_shows_shapes_not_numbers() -> None:
    assert repr(features([0.0, 1.5])) == "Features(2 x 4, 0.00..1.50 s, 2 I + 0 P, 1.00 GMAC)"


def test_concatenate_joins_and_adds_up() -> None:
    joined = Features.concatenate([features([0.0, 1.0]), features([2.0])])
    assert joined.times_s.tolist() == [0, 1, 2]
    assert joined.macs == 2 * 10**9
    assert len(joined) == 3


def test_concatenate_refuses_other_encoders_and_nothing() -> None:
    other = dataclasses.replace(features([1.0]), fingerprint=dataclasses.replace(PRINT, method="copy"))
    with pytest.raises(ValueError, match="different encoders"):
        Features.concatenate([features([0.0]), other])
    with pytest.raises(ValueError, match="nothing"):
        Features.concatenate([])


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"shape \[2\], received \[1\]"):
        Features(torch.ones(2, 4), np.zeros(1), np.array(["I", "P"]), 0, PRINT)
    with pytest.raises(ValueError, match=r"float32 \[t, d\], received torch.float64"):
        Features(torch.ones(2, 4, dtype=torch.float64), np.zeros(2), np.array(["I", "P"]), 0, PRINT)


def test_traces_of_different_widths_are_padded() -> None:
    narrow = Trace(torch.tensor([1]), torch.tensor([[0, 2]]), torch.tensor([[4]]), None)
    links, tokens = torch.tensor([[2, 2]]), torch.tensor([7, 9])
    wide = Trace(torch.tensor([3]), links, torch.tensor([[5, 6]]), torch.ones(1, 9), None, tokens)
    joined = Trace.concatenate([narrow, wide])
    assert joined.frames.tolist() == [1, 3]
    assert joined.kept.tolist() == [[4, -1], [5, 6]]
    assert joined.links.tolist() == [[0, 2], [2, 2]]
    assert joined.scores is not None
    assert joined.anchor_tokens is not None
    assert joined.anchor_tokens.tolist() == [7, 9]
    assert Trace.concatenate([]).links.shape == (0, 2)
    assert Trace.concatenate([]).kept.shape == (0, 0)
    assert joined.slots is None


def test_traces_of_merging_are_joined() -> None:
    one, two = (
        Trace(
            torch.tensor([n]), torch.tensor([[0, 3]]), torch.arange(4)[None], None, torch.full((1, 3, 4), n)
        )
        for n in (1, 2)
    )
    slots = Trace.concatenate([one, two]).slots
    assert slots is not None
    assert slots[:, 0, 0].tolist() == [1, 2]
