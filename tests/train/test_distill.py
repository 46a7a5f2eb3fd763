"""Distilling a residual tokenizer, in small: it learns, it is saved, and `load_model` takes it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.residual import TOKENIZER_FILE
from vidskim.pipeline.load import load_model
from vidskim.train.contrastive import export
from vidskim.train.contrastive import make_task as make_contrastive
from vidskim.train.distill import RECIPE, make_task, train_distill, validate

QUICK = replace(RECIPE, steps=2, warmup_steps=1, workers=0, precision="float32", checkpoint_every=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and no residual tokenizer."""
    path = tmp_path_factory.mktemp("model")
    export(make_contrastive(batch=2, seed=0), path)
    return path


def test_only_the_tokenizer_is_trained_and_it_learns(folder: Path) -> None:
    task = make_task(folder, interleave=2, keep=0.15, depth=1, batch=4, seed=0)
    trained = [name for name, value in task.model.named_parameters() if value.requires_grad]
    assert trained == ["tokenizer.0.weight", "tokenizer.0.bias"]
    trunk = task.model.trunk.state_dict()["patch.weight"].clone()
    batch = task.source[0]
    optimizer = torch.optim.AdamW(task.model.tokenizer.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        loss, extra = task.loss(task.model, batch, torch.Generator().manual_seed(1))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]
    assert torch.equal(task.model.trunk.state_dict()["patch.weight"], trunk)
    assert 0 <= float(extra["copy"]) < 1


def test_the_result_is_loaded_by_path_or_from_beside_the_weights(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"`vidskim train distill .*method='reuse'"):
        load_model(folder, method="residual")
    report = train_distill(folder, tmp_path, QUICK, batch=2)
    assert set(report.metrics) == {"cosine", "cosine_random", "cosine_copy"}
    given = load_model(
        folder, method="residual", dtype="float32", residual_tokenizer=tmp_path / TOKENIZER_FILE
    )
    (folder / TOKENIZER_FILE).write_bytes((tmp_path / TOKENIZER_FILE).read_bytes())
    try:
        found = load_model(folder, method="residual", dtype="float32")
    finally:
        (folder / TOKENIZER_FILE).unlink()
    assert given.fingerprint == found.fingerprint
    pixels = torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    assert torch.equal(given.encode_pixels(pixels).vectors, found.encode_pixels(pixels).vectors)


def test_a_tokenizer_of_another_backbone_is_refused(folder: Path, tmp_path: Path) -> None:
    train_distill(folder, tmp_path / "distilled", QUICK, batch=2)
    export(make_contrastive(batch=2, seed=1), tmp_path / "other")
    with pytest.raises(CheckpointError, match="distilled for another vision tower"):
        load_model(tmp_path / "other", residual_tokenizer=tmp_path / "distilled" / TOKENIZER_FILE)
    with pytest.raises(SettingsError, match=r"backbone was .*, is .*"):  # a training belongs to its model
        train_distill(tmp_path / "other", tmp_path / "distilled", QUICK, batch=2)
    with pytest.raises(CheckpointError, match="not a residual tokenizer in safetensors"):
        load_model(folder, residual_tokenizer=tmp_path / "nothing.safetensors")


def test_training_and_inference_compute_the_same_features(folder: Path, tmp_path: Path) -> None:
    """The student of the training is `method="residual"`, to rounding."""
    task = make_task(folder, interleave=2, keep=0.15, depth=2, batch=2, seed=0)
    frames = task.source[0]["frames"]
    with torch.inference_mode():
        student, full, _ = task.model(frames, None, 0.15)
    encoder = load_model(folder, dtype="float32").with_method(
        "residual", tokenizer=task.model.tokenizer.eval(), interleave=2, keep=0.15, select="difference"
    )
    pixels = ((frames[0].float() / 255 - task.model.mean) / task.model.std).permute(0, 3, 1, 2)
    features = encoder.encode_pixels(pixels)
    assert list(features.kinds) == ["I", "P", "P"]
    assert torch.allclose(features.vectors[1:], student[:2], atol=1e-5)
    assert not torch.allclose(full[:2], student[:2], atol=1e-2)
    assert len(task.backbone) == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"interleave": 0}, "interleave must be 1 or more, received 0"), ({"keep": 0.0}, "keep is the share")],
)
def test_settings_out_of_range_are_refused(folder: Path, changes: dict[str, float], message: str) -> None:
    settings: dict[str, float] = {"interleave": 2, "keep": 0.15, "depth": 1, "batch": 2, **changes}
    with pytest.raises(SettingsError, match=message):
        make_task(folder, seed=0, **settings)  # type: ignore[arg-type]


def test_validation_compares_with_copy_and_chance(folder: Path) -> None:
    task = make_task(folder, interleave=2, keep=0.15, depth=1, batch=2, seed=0)
    numbers = validate(task)
    assert all(-1 <= value <= 1 for value in numbers.values())
    assert numbers["cosine_copy"] > numbers["cosine_random"]  # the tokenizer is random
