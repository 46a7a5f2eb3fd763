"""One step: clipped, accumulated, in bfloat16, refused when it is not finite."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from toy_task import Lines, Regression, linear, toy_settings

from vidskim.errors import SettingsError, TrainingError
from vidskim.train.distributed import Ranks
from vidskim.train.optimizer import make_optimizer
from vidskim.train.state import trained_parameters
from vidskim.train.step import Stepper
from vidskim.train.task import Task

ALONE = Ranks(rank=0, count=1, device=torch.device("cpu"))


def make_stepper(task: Task, *, autocast: torch.dtype | None = None, **changes: object) -> Stepper:
    settings = toy_settings(**changes)
    optimizer = make_optimizer(trained_parameters(task.model), settings)
    return Stepper(task, settings=settings, ranks=ALONE, optimizer=optimizer, autocast=autocast)


def batches(source: Lines) -> Iterator[dict[str, Tensor]]:
    number = 0
    while True:
        yield source[number]
        number += 1


def gradient(model: nn.Module) -> Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_the_gradient_is_clipped_to_the_norm() -> None:
    free, clipped = Regression(linear()), Regression(linear())
    before = make_stepper(free, clip_norm=None).gradients(0, batches(Lines()))
    after = make_stepper(clipped, clip_norm=0.01).gradients(0, batches(Lines()))
    norm = gradient(free.model).norm().item()
    assert norm > 0.1
    assert before["gradient_norm"] == after["gradient_norm"] == pytest.approx(norm)
    torch.testing.assert_close(
        gradient(clipped.model), gradient(free.model) * 0.01 / norm, rtol=1e-4, atol=1e-8
    )


def test_two_batches_are_one_twice_as_large() -> None:
    double = torch.float64
    halves = Regression(linear().to(double), source=Lines(dtype=double))
    whole = Regression(linear().to(double), source=Lines(dtype=double, joined=2))
    two = make_stepper(halves, accumulate=2)
    one = make_stepper(whole, accumulate=1)
    apart, together = batches(halves.source), batches(whole.source)
    for step in range(4):
        first, second = two.gradients(step, apart), one.gradients(step, together)
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)
        assert two.update(step) == one.update(step)
    for a, b in zip(halves.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_scalars_are_means_over_batches() -> None:
    task = Regression(linear())
    numbers = make_stepper(task, accumulate=3).gradients(0, batches(Lines()))
    with torch.no_grad():
        largest = [(task.model(Lines()[n]["x"]) - Lines()[n]["y"]).abs().max().item() for n in range(3)]
    assert numbers["largest"] == pytest.approx(sum(largest) / 3)
    assert set(numbers) == {"loss", "largest", "gradient_norm"}


def test_bfloat16_is_for_computing_only() -> None:
    seen: list[torch.dtype] = []
    model = linear()
    model.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    task = Regression(model)
    stepper = make_stepper(task, autocast=torch.bfloat16)
    stepper.gradients(0, batches(Lines()))
    stepper.update(0)
    assert seen == [torch.bfloat16]
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    state = [value for values in stepper.optimizer.state.values() for value in values.values()]
    assert {value.dtype for value in state} == {torch.float32}


@dataclass
class Given:
    """A task whose loss and scalars are the test's."""

    model: nn.Module
    make: Callable[[Tensor], tuple[Tensor, dict[str, float | Tensor]]]
    source: Lines

    @property
    def settings(self) -> dict[str, object]:
        return {}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        return self.make(model(batch["x"]))


def refuse(
    make: Callable[[Tensor], tuple[Tensor, dict[str, float | Tensor]]],
) -> tuple[Stepper, list[Tensor]]:
    stepper = make_stepper(Given(linear(), make, Lines()))
    return stepper, [p.detach().clone() for p in stepper.task.model.parameters()]


@pytest.mark.parametrize(("factor", "value"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_a_loss_that_is_not_finite_names_step_and_value(factor: float, value: str) -> None:
    stepper, before = refuse(lambda out: (out.square().mean() * factor, {}))
    message = rf"the loss is {value} at step 18, expected a finite number.*\. The step was not taken"
    with pytest.raises(TrainingError, match=message):
        stepper.gradients(17, batches(Lines()))
    assert all(torch.equal(a, b) for a, b in zip(stepper.task.model.parameters(), before, strict=True))


def test_a_gradient_that_is_not_finite_is_refused_too() -> None:
    stepper, _ = refuse(lambda out: ((out * 0).abs().sqrt().sum(), {}))
    with pytest.raises(
        TrainingError, match="the norm of the gradient is nan at step 1, expected a finite number"
    ):
        stepper.gradients(0, batches(Lines()))


def test_a_loss_of_many_numbers_is_refused() -> None:
    stepper, _ = refuse(lambda out: (out.square(), {}))
    with pytest.raises(
        SettingsError, match=r"loss must be one number, received shape \[4, 1\]; take its mean"
    ):
        stepper.gradients(0, batches(Lines()))


def test_scalars_cannot_take_the_names_of_the_loop() -> None:
    stepper, _ = refuse(lambda out: (out.square().mean(), {"step": 1.0, "seconds": 2.0, "mine": 3.0}))
    with pytest.raises(SettingsError, match="cannot be called seconds, step: the loop logs those itself"):
        stepper.gradients(0, batches(Lines()))
