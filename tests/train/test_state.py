"""A model's and its optimiser's tensors, out and back in."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from toy_task import linear, noisy_net, toy_settings

from vidskim.errors import CheckpointError, SettingsError
from vidskim.train.optimizer import make_optimizer
from vidskim.train.state import kept_buffers, pack, trained_parameters, unpack


def take_step(model: nn.Module, optimizer: torch.optim.Optimizer, *, seed: int) -> None:
    x = torch.randn(4, 3, generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    model(x).square().sum().backward()
    optimizer.step()


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in tensors.items()}


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    return make_optimizer(trained_parameters(model), toy_settings())


def test_a_step_after_coming_back_is_the_step_that_would_have_been() -> None:
    model, other = noisy_net().eval(), noisy_net().eval()
    optimizer, new = optimizer_of(model), optimizer_of(other)
    take_step(model, optimizer, seed=0)
    packed = copied(pack(model, optimizer))
    unpack(packed, model=other, optimizer=new)
    take_step(model, optimizer, seed=1)
    take_step(other, new, seed=1)
    first, second = pack(model, optimizer), pack(other, new)
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["model.0.weight"], packed["model.0.weight"])  # packed was not written to


@settings(max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.booleans())
def test_any_shapes_come_back(sizes: list[int], stepped: bool) -> None:
    def build() -> nn.Module:
        values = [torch.arange(2.0**size).reshape([2] * size) + 1 for size in sizes]
        return nn.ParameterList(nn.Parameter(value) for value in values)

    model, other = build(), build()
    optimizer, new = optimizer_of(model), optimizer_of(other)
    if stepped:
        sum(parameter.square().sum() for parameter in model.parameters()).backward()
        optimizer.step()
    unpack(copied(pack(model, optimizer)), model=other, optimizer=new)
    first, second = pack(model, optimizer), pack(other, new)
    assert list(first) == list(second)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_names_say_what_a_tensor_is() -> None:
    model = linear()
    optimizer = optimizer_of(model)
    take_step(model, optimizer, seed=0)
    moments = [
        f"optimizer.{name}.{key}" for name in ("weight", "bias") for key in ("step", "exp_avg", "exp_avg_sq")
    ]
    assert set(pack(model, optimizer)) == {"model.weight", "model.bias", *moments}


def test_frozen_parameters_stay_out_and_buffers_go_in() -> None:
    model = noisy_net()
    model[0].requires_grad_(False)
    model.register_buffer("scratch", torch.zeros(1), persistent=False)
    assert "0.weight" not in trained_parameters(model)
    assert set(kept_buffers(model)) == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    packed = pack(model, optimizer_of(model))
    assert "model.0.weight" not in packed
    assert "model.1.running_mean" in packed


def test_tied_parameters_and_buffers_that_share_memory_are_stored_once_each() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    model.register_buffer("table", torch.zeros(3))
    model.register_buffer("view", model.table[:2])
    packed = pack(model, optimizer_of(model))
    assert "model.1.weight" not in packed
    assert packed["model.view"].untyped_storage().nbytes() == 8


def test_another_model_is_refused_by_name() -> None:
    packed = pack(linear(), optimizer_of(linear()))
    other = nn.Linear(3, 2)
    with pytest.raises(
        CheckpointError, match=r"another model: bias was \[1\], is \[2\]; weight was \[1, 3\], is \[2, 3\]\. "
    ):
        unpack(packed, model=other, optimizer=optimizer_of(other))
    wrapped = nn.Sequential(linear())
    with pytest.raises(
        CheckpointError, match=r"0\.bias is not in the checkpoint.*; bias is not in the model"
    ):
        unpack(packed, model=wrapped, optimizer=optimizer_of(wrapped))


def test_a_model_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(SettingsError, match="nothing to train: no parameter of the model has requires_grad"):
        trained_parameters(linear().requires_grad_(False))


def test_coarse_weights_are_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"received torch\.bfloat16 in weight and 1 more\. Load the model as float32"
    ):
        trained_parameters(linear().to(torch.bfloat16))
