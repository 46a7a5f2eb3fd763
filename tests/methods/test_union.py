"""Attention over recomputed tokens and I-frames: against one written out, and what the context keeps."""

import pytest
import torch
from tests.methods.conftest import CONFIG, segment

from vidskim.methods.condense import NOTHING, STRONG, Schedule
from vidskim.methods.context import Context, Record
from vidskim.methods.union import Union, blocks_of
from vidskim.models.cost import condensed_widths
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer


def recorded(trunk: VisionTransformer, schedule: Schedule, frames: int = 3) -> Context:
    widths = condensed_widths(CONFIG, schedule.counts(CONFIG))
    context = Context(CONFIG, widths, frames=frames, like=trunk.class_token)
    record = Record(context, torch.arange(frames), schedule, config=CONFIG)
    trunk(trunk.embed(segment(frames).pixels), record)
    return context


def test_recording_changes_nothing_and_keeps_keys_values_and_importance(trunk: VisionTransformer) -> None:
    context = Context(CONFIG, [17] * 3, frames=5, like=trunk.class_token)
    for kv in context.layers:
        kv.zero_()
    x = trunk.embed(segment(2).pixels)
    record = Record(context, torch.tensor([1, 3]), NOTHING, config=CONFIG)
    torch.testing.assert_close(trunk(x, record), trunk(x, Reduction()), atol=1e-6, rtol=0)
    for kv in context.layers:
        assert (kv[:, [1, 3]] != 0).any(dim=-1).all()
        assert (kv[:, [0, 2, 4]] == 0).all()
    torch.testing.assert_close(context.importance.mean(dim=1), torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]))


def test_what_is_taken_can_be_put_back_beside_frames_merged_less(trunk: VisionTransformer) -> None:
    merged = recorded(trunk, STRONG)
    frame = merged.take(1)
    assert [kv.shape[2] for kv in frame.layers] == condensed_widths(CONFIG, STRONG.counts(CONFIG))
    assert frame.strain > 0
    wide = Context(CONFIG, [17] * 3, frames=2, like=trunk.class_token)
    wide.put(1, frame)
    again = wide.take(1)
    assert torch.equal(again.slots, frame.slots)
    assert torch.equal(again.importance, frame.importance)
    assert all(torch.equal(a, b) for a, b in zip(again.layers, frame.layers, strict=True))


def test_union_is_attention_over_every_patch_once(trunk: VisionTransformer) -> None:
    generator = torch.Generator().manual_seed(0)
    for schedule in (NOTHING, STRONG):
        context = recorded(trunk, schedule)
        first, second = torch.tensor([0, 1]), torch.tensor([1, 2])
        share = torch.rand(2, 17, generator=generator)
        free = (torch.rand(2, 17, generator=generator) > 0.4).float()
        q, k, v = (torch.randn(2, 2, 5, 16, generator=generator) for _ in range(3))
        union = Union(context, [first, second], [free * (1 - share), free * share])
        got = union.attend(2, q, k, v)
        for frame in range(2):
            keys, values, weights = [], [], []
            for row, weight in ((int(first[frame]), 1 - share[frame]), (int(second[frame]), share[frame])):
                for patch in range(17):  # each patch on its own reads the token that stands for it
                    slot = int(context.slots[row, 2, patch])
                    keys.append(context.layers[2][0, row, :, slot])
                    values.append(context.layers[2][1, row, :, slot])
                    weights.append(free[frame, patch] * weight[patch])
            all_keys = torch.cat([torch.stack(keys, dim=1), k[frame]], dim=1)
            all_values = torch.cat([torch.stack(values, dim=1), v[frame]], dim=1)
            weight = torch.cat([torch.stack(weights), torch.ones(5)])
            attention = (q[frame] @ all_keys.mT / 4).exp() * weight
            expected = attention / attention.sum(dim=-1, keepdim=True) @ all_values
            torch.testing.assert_close(got[frame], expected, atol=1e-5, rtol=1e-5)


def test_reading_in_place_equals_gathering(trunk: VisionTransformer, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    context = recorded(trunk, STRONG, frames=4)
    sides = [torch.tensor([0, 0, 1, 2, 2, 0]), torch.tensor([1, 1, 2, 3, 3, 2])]
    weights = [torch.rand(6, 17, generator=generator) * 0.5 for _ in sides]
    for weight in weights:
        weight[:, :6] = 0  # recomputed
    q, k, v = (torch.randn(6, 2, 7, 16, generator=generator) for _ in range(3))
    gathering = Union(context, sides, weights)
    expected = gathering.attend(1, q, k, v)
    monkeypatch.setattr("vidskim.methods.union.LOGITS_BYTES", 2 * 2 * 7 * 41 * 4)  # two frames a time
    in_place = Union(context, sides, weights)
    torch.testing.assert_close(in_place.attend_in_place(1, q, k, v), expected, atol=1e-5, rtol=1e-5)


def test_rows_that_follow_each_other_equally_often_are_one_block() -> None:
    rows = torch.tensor([2, 2, 3, 3, 4, 0, 1, 1])
    assert blocks_of(rows) == [
        (slice(2, 4), slice(0, 4)),
        (slice(4, 5), slice(4, 5)),
        (slice(0, 1), slice(5, 6)),
        (slice(1, 2), slice(6, 8)),
    ]
    assert blocks_of(torch.tensor([], dtype=torch.int64)) == []
