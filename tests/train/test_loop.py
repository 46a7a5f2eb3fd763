"""A training converges, and one that was interrupted is the one that was not."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_task import Regression, linear, noisy_net, toy_settings

from vidskim.disk import locked
from vidskim.errors import CheckpointError, SettingsError, TrainingError
from vidskim.train.checkpoint import list_checkpoints
from vidskim.train.loop import FitReport, StepReport, fit
from vidskim.train.metrics import read_metrics


class StopError(Exception):
    """What a test stops a training with."""


def noisy_task(before: Callable[[int], object] = int) -> Regression:
    return Regression(noisy_net(), noise=0.3, before=before)


def curve(out: Path) -> list[dict[str, Any]]:
    """All that does not depend on the clock."""
    return [
        {key: value for key, value in line.items() if key not in ("seconds", "step_ms")}
        for line in read_metrics(out)
    ]


def at(count: int, action: Callable[[], object]) -> Callable[[int], object]:
    return lambda calls: action() if calls == count else None


def throw(error: type[BaseException]) -> None:
    raise error


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def same(model: nn.Module, other: nn.Module) -> bool:
    first, second = model.state_dict(), other.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, list[dict[str, Any]], FitReport]:
    """A training that nothing interrupted."""
    out, task = tmp_path_factory.mktemp("whole"), noisy_task()
    report = fit(task, toy_settings(), out, on_checkpoint=lambda step: {"at": step})
    return task.model, curve(out), report


def test_it_converges_and_reports(tmp_path: Path) -> None:
    task, reports = Regression(linear()), list[StepReport]()
    settings = toy_settings(steps=150, learning_rate=0.1, weight_decay=0.0, log_every=60)
    report = fit(task, settings, tmp_path, on_step=reports.append)
    assert report.loss < 1e-3 < reports[0].loss
    assert (report.steps, report.resumed_from, report.metrics) == (150, None, {})
    assert report.seconds > 0
    assert [each.step for each in reports] == list(range(1, 151))
    assert reports[-1].loss == report.loss
    assert reports[-1].seconds_left == 0 < reports[0].seconds_left
    assert reports[0].learning_rate == pytest.approx(0.02)
    assert reports[0].gradient_norm > 0
    torch.testing.assert_close(task.model.weight, torch.tensor([[1.0, 2.0, -1.0]]), atol=0.05, rtol=0)
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines] == [60, 120, 150]
    assert lines[0]["loss"] == sum(each.loss for each in reports[:60]) / 60
    assert list(lines[0]) == [
        "step",
        "loss",
        "learning_rate",
        "largest",
        "gradient_norm",
        "seconds",
        "step_ms",
    ]


def test_the_global_generator_is_left_alone_and_does_not_matter(
    tmp_path: Path, whole: tuple[nn.Module, list[dict[str, Any]], FitReport]
) -> None:
    torch.rand(3)
    state = torch.get_rng_state()
    task = noisy_task()
    fit(task, toy_settings(), tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(task.model, whole[0])


@pytest.mark.parametrize(
    ("error", "resumed_from", "workers"),
    [(StopError, 14, 0), (KeyboardInterrupt, 17, 0), (KeyboardInterrupt, 17, 1)],
    ids=["error", "interrupt", "interrupt with a worker"],
)
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    tmp_path: Path,
    whole: tuple[nn.Module, list[dict[str, Any]], FitReport],
    error: type[BaseException],
    resumed_from: int,
    workers: int,
) -> None:
    settings = toy_settings(workers=workers)
    with pytest.raises(error):
        fit(
            noisy_task(at(18, lambda: throw(error))),
            settings,
            tmp_path,
            on_checkpoint=lambda step: {"at": step},
        )
    task = noisy_task()
    report = fit(task, settings, tmp_path, on_checkpoint=lambda step: {"at": step})
    assert report.resumed_from == resumed_from
    assert same(task.model, whole[0])
    assert curve(tmp_path) == whole[1]
    assert report.loss == whole[2].loss
    assert report.metrics == whole[2].metrics == {"at": 30}


@dataclass
class HalfAStep(Regression):
    """Ctrl-C after a forward has changed the buffers."""

    stop_at: int = 0

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float | Tensor]]:
        out = super().loss(model, batch, generator)
        if self.calls == self.stop_at:
            interrupt()
        return out


def test_ctrl_c_in_the_middle_of_a_step_saves_the_step_before(
    tmp_path: Path, whole: tuple[nn.Module, list[dict[str, Any]], FitReport]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(HalfAStep(noisy_net(), noise=0.3, stop_at=11), toy_settings(), tmp_path)
    assert list(list_checkpoints(tmp_path)) == [10, 7]
    task = noisy_task()
    assert fit(task, toy_settings(), tmp_path).resumed_from == 10
    assert same(task.model, whole[0])


def test_ctrl_c_in_callbacks_loses_nothing(
    tmp_path: Path, whole: tuple[nn.Module, list[dict[str, Any]], FitReport]
) -> None:
    def stop_reporting(report: StepReport) -> None:
        if report.step == 8:
            interrupt()

    def stop_validating(step: int) -> dict[str, float]:
        if step == 14:
            interrupt()
        return {"at": step}

    def validate(step: int) -> dict[str, float]:
        return {"at": step}

    with pytest.raises(KeyboardInterrupt):
        fit(noisy_task(), toy_settings(), tmp_path, on_step=stop_reporting, on_checkpoint=validate)
    with pytest.raises(KeyboardInterrupt):
        fit(noisy_task(), toy_settings(), tmp_path, on_checkpoint=stop_validating)
    assert list(list_checkpoints(tmp_path)) == [14, 8]
    task = noisy_task()
    assert fit(task, toy_settings(), tmp_path, on_checkpoint=validate).resumed_from == 14
    assert same(task.model, whole[0])
    assert curve(tmp_path) == whole[1]  # the validation at step 14 was made up for


def test_a_finished_training_returns_at_once(tmp_path: Path) -> None:
    done = Regression(linear())
    first = fit(done, toy_settings(), tmp_path, on_checkpoint=lambda step: {"at": step})
    task = Regression(nn.Linear(3, 1))
    again = fit(task, toy_settings(), tmp_path, on_checkpoint=lambda step: throw(StopError))  # type: ignore[arg-type]
    assert task.calls == 0
    assert same(task.model, done.model)
    assert (again.resumed_from, again.loss, again.metrics) == (30, first.loss, {"at": 30})


def test_a_damaged_checkpoint_costs_some_steps_and_no_more(
    tmp_path: Path, whole: tuple[nn.Module, list[dict[str, Any]], FitReport]
) -> None:
    with pytest.raises(StopError):
        fit(noisy_task(at(25, lambda: throw(StopError))), toy_settings(), tmp_path)
    newest = list_checkpoints(tmp_path)[21]
    newest.write_bytes(newest.read_bytes()[:-1])
    task = noisy_task()
    assert fit(task, toy_settings(), tmp_path).resumed_from == 14
    assert same(task.model, whole[0])


def test_what_happens_at_checkpoints(tmp_path: Path) -> None:
    model = noisy_net()
    model[1].eval()
    modes: list[tuple[int, bool, bool]] = []

    def validate(step: int) -> dict[str, float]:
        modes.append((step, model.training, torch.is_grad_enabled()))
        return {"even": float(step % 2 == 0)}

    task = Regression(model, before=lambda calls: modes.append((0, model[1].training, True)))
    report = fit(task, toy_settings(steps=10, checkpoint_every=4), tmp_path, on_checkpoint=validate)
    assert [mode for mode in modes if mode[0]] == [(4, False, False), (8, False, False), (10, False, False)]
    assert {mode for mode in modes if not mode[0]} == {(0, True, True)}
    assert not model[1].training  # as it was before
    assert report.metrics == {"even": 1.0}
    assert list(list_checkpoints(tmp_path)) == [10, 8]


def test_other_settings_are_refused_and_free_ones_are_not(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        fit(Regression(linear(), before=at(9, lambda: throw(StopError))), toy_settings(), tmp_path)
    other = toy_settings(steps=31, betas=(0.9, 0.99), seed=4, precision="bfloat16")
    message = (
        r"betas was \[0\.9, 0\.98\], is \[0\.9, 0\.99\]; precision was 'float32', is 'bfloat16'; seed was 0, is 4; "
        r"steps was 30, is 31\. Give it the same settings, train in another folder, or remove this one"
    )
    with pytest.raises(SettingsError, match=message):
        fit(Regression(linear()), other, tmp_path)
    free = toy_settings(checkpoint_every=15, log_every=1)
    assert fit(Regression(linear()), free, tmp_path).resumed_from == 7


def test_what_the_task_says_of_itself_must_stay_too(tmp_path: Path) -> None:
    with pytest.raises(StopError):
        fit(
            Regression(linear(), stated={"batch": 4}, before=at(9, lambda: throw(StopError))),
            toy_settings(),
            tmp_path,
        )
    with pytest.raises(SettingsError, match="batch was 4, is 8"):
        fit(Regression(linear(), stated={"batch": 8}), toy_settings(), tmp_path)
    assert fit(Regression(linear(), stated={"batch": 4}), toy_settings(), tmp_path).resumed_from == 7


def test_another_model_is_refused(tmp_path: Path) -> None:
    fit(Regression(linear()), toy_settings(), tmp_path)
    with pytest.raises(CheckpointError, match="the training was of another model"):
        fit(noisy_task(), toy_settings(), tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("video,caption")
    with pytest.raises(SettingsError, match=r"table\.csv is a file; a training needs a folder of its own"):
        fit(Regression(noisy_net()), toy_settings(), tmp_path / "table.csv")


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        locked(tmp_path),
        pytest.raises(TrainingError, match=r"another process trains into .*use another folder"),
    ):
        fit(Regression(linear()), toy_settings(), tmp_path)


def test_a_training_in_bfloat16_keeps_float32_weights(tmp_path: Path) -> None:
    seen: set[torch.dtype] = set()
    model = linear()
    model.register_forward_hook(lambda module, inputs, output: seen.add(output.dtype))
    report = fit(Regression(model), toy_settings(precision="bfloat16"), tmp_path)
    assert report.loss == report.loss
    assert seen == {torch.bfloat16}
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
