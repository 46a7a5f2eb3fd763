"""Two processes train what one would with all their batches."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import distil_ranks
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from toy_task import Contrast, Lines, Regression, linear, rank_settings

from vidskim.errors import SettingsError
from vidskim.train.distributed import gather_rows, joined
from vidskim.train.loop import fit
from vidskim.train.metrics import read_metrics

SCRIPT = Path(__file__).with_name("toy_task.py")


def free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_rank(rank: int, out: Path, ports: list[str]) -> "subprocess.Popen[bytes]":
    """As torchrun starts it."""
    told = {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, "-W", "error", str(SCRIPT), "ranks", str(out), *ports]
    return subprocess.Popen(command, env={**os.environ, **told})


def test_two_ranks_train_what_one_would(tmp_path: Path) -> None:
    ports = free_ports(2)
    processes = [start_rank(rank, tmp_path, ports) for rank in range(2)]
    try:
        assert [process.wait(timeout=90) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()

    alone = {
        # four batches a step: two ranks, two each
        "regression": (Regression(linear()), rank_settings(accumulate=4)),
        # each comparison is among the rows of both ranks' batches
        "contrast": (Contrast(linear(outputs=4), source=Lines(joined=2)), rank_settings(accumulate=2)),
    }
    for name, (task, settings) in alone.items():
        start = {key: value.clone() for key, value in task.model.state_dict().items()}
        fit(task, settings, tmp_path / f"{name}-alone", on_checkpoint=lambda step: {"at": step})
        first, second = (load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in range(2))
        for key, expected in task.model.state_dict().items():
            assert torch.equal(first[key], second[key])
            torch.testing.assert_close(first[key], expected, rtol=1e-4, atol=1e-5)
            assert not torch.allclose(expected, start[key], atol=1e-2)
        lines, expected_lines = read_metrics(tmp_path / name), read_metrics(tmp_path / f"{name}-alone")
        assert [line["step"] for line in lines] == [line["step"] for line in expected_lines]
        for line, other in zip(lines, expected_lines, strict=True):
            assert line.keys() == other.keys()
            if "validation" in line:
                assert line["validation"] == other["validation"]
            else:
                assert line["loss"] == pytest.approx(other["loss"], rel=1e-4)
                assert line["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-4)


def test_alone_there_is_nothing_to_gather() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    assert gather_rows(x) is x


def test_alone_no_group_is_made() -> None:
    with joined("cpu") as ranks:
        assert (ranks.rank, ranks.count, ranks.device, ranks.is_first) == (0, 1, torch.device("cpu"), True)
        assert not dist.is_initialized()
        assert ranks.mean([torch.tensor(2.0), torch.tensor(0.5)]) == [2.0, 0.5]
        assert ranks.from_first(-1) == -1
        ranks.wait()


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown device 'tpu-v9'"), joined("tpu-v9"):
        pass


def test_two_ranks_compare_with_the_captions_of_both(tmp_path: Path) -> None:
    """Gradients of a distillation with captions are those of one process with the whole batch."""
    (port,) = free_ports(1)
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-W", "error", distil_ranks.__file__, str(tmp_path)]
    processes = [
        subprocess.Popen(command, env={**os.environ, **told, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=90) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    for name in distil_ranks.LOSSES:
        alone = distil_ranks.gradients(name)
        first, second = (load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in range(2))
        for key, expected in alone.items():
            assert torch.equal(first[key], second[key])
            torch.testing.assert_close(first[key], expected, rtol=1e-4, atol=1e-6)
            assert float(expected.abs().max()) > 1e-3
    # half of the captions are another question: the test can fail
    half = {name: value[:3] for name, value in distil_ranks.whole_batch().items()}
    task = distil_ranks.make_task("ce")
    task.loss(task.model, half, torch.Generator())[0].backward()
    whole = distil_ranks.gradients("ce")["0.weight"]
    gradient = task.model.tokenizer.get_parameter("0.weight").grad
    assert gradient is not None
    assert not torch.allclose(gradient, whole, rtol=1e-2)


def test_the_first_rank_goes_first_alone_too() -> None:
    with joined("cpu") as ranks, ranks.first_goes_first():
        assert ranks.is_first
