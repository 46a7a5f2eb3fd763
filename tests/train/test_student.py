"""The student against numbers computed with the ResidualViT authors' code: losses and gradients of one step."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vidskim.models.checkpoint import build_vision, read_checkpoint
from vidskim.train.losses import caption_loss, caption_loss_both_ways, feature_mse
from vidskim.train.student import Student

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONFIG = {"heads": 4, "activation": "quick_gelu", "eps": 1e-5}
SCALE = 100.0


@pytest.fixture(scope="module")
def student() -> Student:
    """The authors' tiny model with its tokenizer."""
    checkpoint = read_checkpoint(FIXTURES / "residualvit_weights.safetensors", config=CONFIG)
    made = Student(build_vision(checkpoint), depth=1, preparation=checkpoint.preparation, seed=0)
    assert checkpoint.residual_state is not None
    made.tokenizer.load_state_dict(checkpoint.residual_state)
    return made


@pytest.fixture(scope="module")
def told() -> dict[str, Tensor]:
    return load_file(FIXTURES / "residualvit_distil.safetensors")


def kept_pixels(told: dict[str, Tensor]) -> Tensor:
    """Frames of which only the kept patches are known: the others must not matter."""
    frames = torch.full((12, 49, 3, 16, 16), float("nan"))
    rows = torch.arange(12)[:, None]
    frames[rows, told["kept"].flatten(0, 1)] = told["patches"]
    return frames.view(12, 7, 7, 3, 16, 16).permute(0, 3, 1, 4, 2, 5).reshape(12, 3, 112, 112)


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("mse", lambda student, teacher, texts: feature_mse(student, teacher)),
        ("ce", lambda *vectors: caption_loss(*vectors, SCALE)),
        ("ce-both", lambda *vectors: caption_loss_both_ways(*vectors, SCALE)),
    ],
)
def test_a_step_is_the_authors(
    student: Student, told: dict[str, Tensor], name: str, loss: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> None:
    student.zero_grad()
    vectors = student.encode_between(kept_pixels(told), told["kept"], told["anchors"])
    torch.testing.assert_close(vectors, told["student"], atol=1e-5, rtol=0)
    value = loss(vectors, told["teacher"], told["texts"])
    value.backward()
    assert value.item() == pytest.approx(told[name].item(), abs=1e-5)
    for part in ("weight", "bias"):
        gradient = student.tokenizer.get_parameter(f"0.{part}").grad
        torch.testing.assert_close(gradient, told[f"{name}.0.{part}"], atol=1e-5, rtol=0)


def test_only_the_tokenizer_learns(student: Student) -> None:
    trained = [name for name, value in student.named_parameters() if value.requires_grad]
    assert trained == ["tokenizer.0.weight", "tokenizer.0.bias"]
    assert not student.trunk.training


def test_the_teacher_is_the_whole_tower(student: Student) -> None:
    frames = torch.randint(
        0, 256, (2, 3, 112, 112, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    full = student.encode_full(frames)
    assert full.shape == (2, 3, 32)
    assert not full.requires_grad
    torch.testing.assert_close(full.norm(dim=-1), torch.ones(2, 3))
    everything = torch.arange(49).expand(2, 2, -1)
    between = student(frames[:, 1:], everything, full[:, 0])
    assert not torch.allclose(between, full[:, 1:], atol=1e-3)  # the token is there too
