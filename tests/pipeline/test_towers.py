"""A student's tower beside its teacher's, from checkpoints in the ResidualViT authors' names."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.residual import TOKENIZER_FILE, ResidualTokenizer, save_tokenizer
from vidskim.models.checkpoint import read_checkpoint
from vidskim.pipeline.load import load_model

TEACHER = Path(__file__).parents[1] / "fixtures" / "residualvit_weights.safetensors"
OPTIONS = {"config": {"heads": 4}, "device": "cpu", "dtype": "float32"}
NARROWER = {64: 32, 192: 96, 256: 128}


def student_state(*, embed: int = 32) -> dict[str, torch.Tensor]:
    """Half as wide as the teacher, with patches of 28 pixels instead of 16; other weights."""
    generator = torch.Generator().manual_seed(1)
    shapes = {
        name: [NARROWER.get(side, side) for side in value.shape] for name, value in load_file(TEACHER).items()
    }
    shapes["conv1.weight"] = [32, 3, 28, 28]
    shapes["positional_embedding"] = [17, 32]
    shapes["proj"] = [32, embed]
    shapes["projection_residual_feature.0.weight"] = [32, embed]
    return {name: 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """As the authors save it: wrapped, prefixed, the tokenizer there twice."""
    state = student_state()
    copies = {
        name.replace("projection_residual_feature", "proj_head"): value for name, value in state.items()
    }
    named = {f"module.visual.{name}": value for name, value in (copies | state).items()}
    torch.save({"epoch": 5, "state_dict": named}, tmp_path / "epoch_5.pt")
    return tmp_path / "epoch_5.pt"


def frames(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(count, 3, 112, 112, generator=generator) * 0.3).cumsum(0)


def test_p_frames_go_through_the_student(student: Path) -> None:
    both = load_model(
        TEACHER, method="residual", student=student, student_config={"heads": 2}, keep=1.0, **OPTIONS
    )
    features, trace = both.encode_pixels(frames(3), trace=True)
    teacher = load_model(TEACHER, **OPTIONS).encode_pixels(frames(3))
    alone = load_model(student, config={"heads": 2}, device="cpu", dtype="float32")
    torch.testing.assert_close(features.vectors[0], teacher.vectors[0])
    assert alone.residual_tokenizer is not None
    x = alone.trunk.embed(frames(3)[1:])
    token = alone.residual_tokenizer(teacher.vectors[:1]).expand(2, -1)
    expected = alone.trunk(torch.cat([x[:, :1], token[:, None], x[:, 1:]], dim=1))
    expected = torch.nn.functional.normalize(expected, dim=1)
    torch.testing.assert_close(features.vectors[1:], expected, atol=1e-5, rtol=0)
    assert both.between.grid == 4
    assert trace.kept.shape == (2, 16)
    motion = torch.rand(3, 112, 112, generator=torch.Generator().manual_seed(0))
    _, moved = both.with_method("residual", keep=0.25).encode_pixels(frames(3), motion, trace=True)
    summed = motion.view(3, 4, 28, 4, 28).sum(dim=(2, 4)).flatten(1)
    assert moved.kept.tolist() == summed[1:].topk(4).indices.tolist()


def test_the_fingerprint_covers_the_student(student: Path, tmp_path: Path) -> None:
    state = torch.load(student, weights_only=True)
    state["state_dict"]["module.visual.ln_post.bias"][0] += 1
    torch.save(state, tmp_path / "other.pt")
    prints = [
        load_model(
            TEACHER, method="residual", student=path, student_config={"heads": 2}, **OPTIONS
        ).fingerprint
        for path in (student, tmp_path / "other.pt")
    ]
    alone = load_model(TEACHER, method="residual", **OPTIONS).fingerprint
    assert len({alone.digest, *(one.digest for one in prints)}) == 3
    assert prints[0].weights == prints[1].weights == alone.weights
    (difference,) = prints[0].differences(prints[1])
    assert difference.startswith("settings.student: clip-vit w32 l3 h2 p28 i112")


def test_a_tokenizer_file_belongs_to_the_student(student: Path, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(student, config={"heads": 2})
    tokenizer = ResidualTokenizer(dim=32, width=32, depth=2)
    options = {**OPTIONS, "method": "residual", "student": student, "student_config": {"heads": 2}}
    save_tokenizer(tmp_path / TOKENIZER_FILE, tokenizer, backbone=checkpoint.weights_hash)
    loaded = load_model(TEACHER, residual_tokenizer=tmp_path / TOKENIZER_FILE, **options)
    assert loaded.residual_tokenizer is not None
    assert loaded.residual_tokenizer.depth == 2
    assert loaded.with_method("residual").fingerprint == loaded.fingerprint
    save_tokenizer(tmp_path / TOKENIZER_FILE, tokenizer, backbone=read_checkpoint(TEACHER).weights_hash)
    with pytest.raises(CheckpointError, match="distilled for another vision tower"):
        load_model(TEACHER, residual_tokenizer=tmp_path / TOKENIZER_FILE, **options)
    with pytest.raises(CheckpointError, match="there is no such residual tokenizer"):
        load_model(TEACHER, residual_tokenizer=tmp_path / "gone.safetensors", **options)


def test_a_student_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    state = {name: value for name, value in student_state().items() if "residual" not in name}
    save_file(state, tmp_path / "bare.safetensors")
    options = {**OPTIONS, "student": tmp_path / "bare.safetensors", "student_config": {"heads": 2}}
    with pytest.raises(CheckpointError, match=r"clip-vit w32 .* has no residual tokenizer"):
        load_model(TEACHER, method="residual", **options)
    features = load_model(TEACHER, method="residual", token=False, **options).encode_pixels(frames(2))
    assert features.kinds.tolist() == ["I", "P"]


@pytest.mark.parametrize(
    ("embed", "options", "error", "message"),
    [
        (24, {}, CheckpointError, "student's features have width 24, the teacher's 32"),
        (
            32,
            {"mean": [0.5, 0.5, 0.5]},
            CheckpointError,
            r"normalised with mean \(0.5, 0.5, 0.5\), the teacher's",
        ),
        (
            32,
            {"image_size": 140},
            SettingsError,
            "P-frames of 140 pixels would be larger than I-frames of 112",
        ),
    ],
)
def test_a_student_that_does_not_fit_is_refused(
    tmp_path: Path, embed: int, options: dict[str, object], error: type[Exception], message: str
) -> None:
    save_file(student_state(embed=embed), tmp_path / "student.safetensors")
    with pytest.raises(error, match=message):
        load_model(
            TEACHER,
            method="residual",
            student=tmp_path / "student.safetensors",
            student_config={"heads": 2, **options},
            **OPTIONS,
        )


@pytest.mark.parametrize("depth", [1, 2])
def test_the_authors_checkpoints_load_with_a_tokenizer_of_any_depth(tmp_path: Path, depth: int) -> None:
    state = load_file(TEACHER)
    generator = torch.Generator().manual_seed(2)
    for number in range(2, 2 * depth, 2):
        state[f"projection_residual_feature.{number}.weight"] = torch.randn(64, 64, generator=generator)
        state[f"projection_residual_feature.{number}.bias"] = torch.randn(64, generator=generator)
    wrong = {
        name.replace("projection_residual_feature", "proj_head"): -value for name, value in state.items()
    }
    named = {f"module.visual.{name}": value for name, value in (wrong | state).items()}
    torch.save({"state_dict": named}, tmp_path / "epoch_5.pt")
    model = load_model(tmp_path / "epoch_5.pt", method="residual", **OPTIONS)
    tokenizer = model.residual_tokenizer
    assert tokenizer is not None
    assert tokenizer.depth == depth
    assert all(
        torch.equal(value, state[f"projection_residual_feature.{name}"])
        for name, value in tokenizer.state_dict().items()
    )
    plain = load_model(TEACHER, method="residual", **OPTIONS)
    assert plain.fingerprint.weights == model.fingerprint.weights
    same = torch.equal(plain.encode_pixels(frames(2)).vectors, model.encode_pixels(frames(2)).vectors)
    assert same == (depth == 1)
