"""The learning rate of each step, and what decays."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from vidskim.train.optimizer import learning_rate_at, make_optimizer, set_learning_rate
from vidskim.train.settings import LoopSettings


def test_the_schedule_by_hand() -> None:
    settings = LoopSettings(steps=12, learning_rate=0.8, warmup_steps=4, final_fraction=0.5)
    rates = [learning_rate_at(step, settings) for step in range(12)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert rates[8] == pytest.approx(0.6)  # half way down the cosine
    assert learning_rate_at(12, settings) == pytest.approx(0.4)  # after the last step


def test_one_step_is_taken_at_the_peak() -> None:
    assert learning_rate_at(0, LoopSettings(steps=1, learning_rate=0.8)) == 0.8
    assert learning_rate_at(0, LoopSettings(steps=1, learning_rate=0.8, warmup_steps=1)) == 0.8


@given(st.data())
def test_the_schedule_rises_then_falls_and_every_step_learns(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 60))
    warmup = data.draw(st.integers(0, steps))
    low = data.draw(st.floats(0, 1))
    settings = LoopSettings(steps=steps, learning_rate=2.0, warmup_steps=warmup, final_fraction=low)
    rates = [learning_rate_at(step, settings) for step in range(steps)]
    assert all(0 < rate <= 2 + 1e-9 for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    after = rates[warmup:]
    assert all(first >= second - 1e-9 for first, second in pairwise(after))
    assert all(rate >= 2 * low - 1e-9 for rate in after)


def test_only_matrices_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Conv2d(1, 1, 1))
    model.scale = nn.Parameter(torch.ones(()))
    settings = LoopSettings(steps=1, learning_rate=0.1, weight_decay=0.3, betas=(0.5, 0.6), eps=1e-3)
    optimizer = make_optimizer(dict(model.named_parameters()), settings)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[id(parameter)] for name, parameter in model.named_parameters()}
    assert by_name == {
        "scale": 0.0,
        "0.weight": 0.3,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "2.weight": 0.3,
        "2.bias": 0.0,
    }
    assert all(group["betas"] == (0.5, 0.6) and group["eps"] == 1e-3 for group in optimizer.param_groups)


def test_a_model_without_matrices_has_one_group() -> None:
    optimizer = make_optimizer(
        {"scale": nn.Parameter(torch.ones(2))}, LoopSettings(steps=1, learning_rate=0.1)
    )
    assert len(optimizer.param_groups) == 1
    set_learning_rate(optimizer, 0.25)
    assert optimizer.param_groups[0]["lr"] == 0.25


def test_each_block_learns_at_a_share_of_the_next_ones_rate() -> None:
    names = (
        "trunk.patch.weight",
        "trunk.blocks.0.mlp.fc1.weight",
        "trunk.blocks.1.norm1.bias",
        "trunk.head.weight",
    )
    parameters = {name: nn.Parameter(torch.ones(1)) for name in names}
    settings = LoopSettings(steps=1, learning_rate=0.1, layer_decay=0.5)
    optimizer = make_optimizer(parameters, settings)
    set_learning_rate(optimizer, 0.8)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert [rates[id(parameters[name])] for name in names] == pytest.approx([0.1, 0.2, 0.4, 0.8])
