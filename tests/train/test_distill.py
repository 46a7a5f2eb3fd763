"""Distilling a residual tokenizer, in small: it learns, it is saved, and `load_model` takes it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from footage_files import write_footage

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.residual import TOKENIZER_FILE
from vidskim.pipeline.load import load_model
from vidskim.pipeline.progress import Progress
from vidskim.train.contrastive import export
from vidskim.train.contrastive import make_task as make_contrastive
from vidskim.train.distill import make_task, train_distill
from vidskim.train.metrics import read_metrics
from vidskim.train.ranges import Ranges
from vidskim.train.recipe import RECIPES, Distillation
from vidskim.train.record import read_validation
from vidskim.video.prepare import normalise

QUICK = replace(
    RECIPES["tuned"].loop, steps=2, warmup_steps=1, workers=0, precision="float32", checkpoint_every=2
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights and no residual tokenizer."""
    path = tmp_path_factory.mktemp("model")
    export(make_contrastive(batch=2, seed=0), path)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("videos")
    write_footage(path, videos=3, frames=8)
    return path


def settings(model: Path, **changes: Any) -> Distillation:
    given = {"depth": 1, "batch": 2, "ranges": Ranges((1, 2), (0.1, 0.2)), **changes}
    return Distillation(model=model, **given)


def test_it_learns_from_scenes(folder: Path, tmp_path: Path) -> None:
    what = settings(folder, batch=4, ranges=Ranges((2, 2), (0.15, 0.15)))
    encoder = load_model(folder, dtype="float32")
    task, held_out = make_task(what, tmp_path, encoder=encoder, seed=0)
    assert len(held_out) == 16
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


def test_footage_is_trained_on_and_resumed(folder: Path, videos: Path, tmp_path: Path) -> None:
    what = settings(folder, videos=[videos], held_out=0.3)
    told: list[Progress] = []
    report = train_distill(what, tmp_path, QUICK, on_video=told.append)
    assert [progress.outcome for progress in told] == ["done"] * 3 + ["failed"]
    assert {"cosine", "cosine_random", "cosine_no_token", "cosine_copy", "cosine_interpolate"} == set(
        report.metrics
    )
    document = read_validation(tmp_path)
    assert len(document["held_out"]) == 1
    assert document["before"]["between"]["cosine_copy"] == document["after"]["between"]["cosine_copy"]
    assert document["before"]["between"]["cosine"] != document["after"]["between"]["cosine"]
    assert document["after"]["between"]["cosine"] == pytest.approx(report.metrics["cosine"])
    assert {"loss", "copy", "regression"} <= set(read_metrics(tmp_path)[0])
    again = train_distill(what, tmp_path, QUICK, on_video=told.append)
    assert again.resumed_from == 2
    assert [progress.outcome for progress in told[4:]] == ["skipped"] * 3 + ["failed"]
    with pytest.raises(SettingsError, match=r"footage was .*, is .*"):
        train_distill(replace(what, held_out=0.6), tmp_path, QUICK)
    with pytest.raises(SettingsError, match=r"keep was \[0.1, 0.2\], is \[0.1, 0.3\]"):
        train_distill(replace(what, ranges=Ranges((1, 2), (0.1, 0.3))), tmp_path, QUICK)


def test_the_result_says_what_it_was_trained_for(folder: Path, videos: Path, tmp_path: Path) -> None:
    train_distill(settings(folder, videos=[videos], loss="mse", epochs=1.0), tmp_path, QUICK)
    with safetensors.safe_open(tmp_path / TOKENIZER_FILE, framework="pt") as file:
        header = {name: value for name, value in file.metadata().items() if name != "backbone"}
    # 2 videos of 8 frames left to train on, 5 frames a step
    told = {"loss": "mse", "steps": 4, "interleave": [1, 2], "keep": [0.1, 0.2]}
    assert {name: json.loads(header[name]) for name in told} == told
    assert len(json.loads(header["footage"])) == 64


@pytest.mark.parametrize("loss", ["ce", "ce-both"])
def test_captions_teach_too(folder: Path, videos: Path, tmp_path: Path, loss: str) -> None:
    table = tmp_path / "captions.jsonl"
    rows = [{"video": f"v{number}", "caption": f"a {'red star blue'[4 * number :]}"} for number in range(3)]
    table.write_text("\n".join(map(json.dumps, rows)))
    what = settings(folder, videos=[videos], loss=loss, captions=table, batch=3)
    task, _ = make_task(what, tmp_path, encoder=load_model(folder, dtype="float32"), seed=0)
    assert task.scale == pytest.approx(1 / 0.07, rel=1e-3)
    batch = task.source[0]
    assert batch["texts"].shape == (3, 256)
    value, _ = task.loss(task.model, batch, torch.Generator())
    value.backward()
    assert float(task.model.tokenizer.get_parameter("0.weight").grad.norm()) > 0  # type: ignore[union-attr]


def test_the_result_is_loaded_by_path_or_from_beside_the_weights(
    folder: Path, videos: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=r"`vidskim train distill .*method='reuse'"):
        load_model(folder, method="residual")
    train_distill(settings(folder, videos=[videos]), tmp_path, QUICK)
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


def test_a_tokenizer_of_another_backbone_is_refused(folder: Path, videos: Path, tmp_path: Path) -> None:
    train_distill(settings(folder, videos=[videos]), tmp_path / "distilled", QUICK)
    export(make_contrastive(batch=2, seed=1), tmp_path / "other")
    with pytest.raises(CheckpointError, match="distilled for another vision tower"):
        load_model(tmp_path / "other", residual_tokenizer=tmp_path / "distilled" / TOKENIZER_FILE)
    before = (tmp_path / "distilled/validation.json").read_bytes()
    with pytest.raises(SettingsError, match=r"backbone was .*, is .*"):  # a training belongs to its model
        train_distill(settings(tmp_path / "other", videos=[videos]), tmp_path / "distilled", QUICK)
    assert (tmp_path / "distilled/validation.json").read_bytes() == before
    with pytest.raises(CheckpointError, match="there is no such residual tokenizer"):
        load_model(folder, residual_tokenizer=tmp_path / "nothing.safetensors")


def test_captions_need_a_text_tower(tmp_path: Path) -> None:
    weights = Path(__file__).parents[1] / "fixtures" / "residualvit_weights.safetensors"
    what = settings(weights, loss="ce", videos=["a"], config={"heads": 4})
    with pytest.raises(CheckpointError, match=r"has no text tower, .* use --loss regression"):
        make_task(what, tmp_path, encoder=load_model(weights, config={"heads": 4}), seed=0)


def test_training_and_inference_compute_the_same_features(folder: Path, tmp_path: Path) -> None:
    """The student of the training is `method="residual"`, to rounding."""
    what = settings(folder, depth=2, ranges=Ranges((2, 2), (0.15, 0.15)))
    encoder = load_model(folder, dtype="float32")
    task, _ = make_task(what, tmp_path, encoder=encoder, seed=0)
    number = next(n for n in range(50) if not what.ranges.draw(seed=0, number=n).by_chance)
    batch = task.source[number]
    with torch.inference_mode():
        full = task.model.encode_full(batch["frames"])
        student = task.model(batch["frames"][:, 1:], batch["kept"], full[:, 0])
    variant = encoder.with_method(
        "residual", tokenizer=task.model.tokenizer.eval(), interleave=2, keep=0.15, select="difference"
    )
    features = variant.encode_pixels(normalise(batch["frames"][0].numpy(), encoder.preparation))
    assert list(features.kinds) == ["I", "P", "P"]
    assert torch.allclose(features.vectors[1:], student[0], atol=1e-5)
    assert not torch.allclose(full[0, 1:], student[0], atol=1e-2)
