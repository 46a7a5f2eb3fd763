"""Training the bundled model's towers, in small: a few steps, then the folder it writes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vidskim.pipeline.load import load_model
from vidskim.synth.vocabulary import Split
from vidskim.train.checkpoint import newest_checkpoint
from vidskim.train.contrastive import (
    POOL,
    RECIPE,
    export,
    make_task,
    small_vision,
    train_contrastive,
    validate,
)

QUICK = replace(RECIPE, steps=2, warmup_steps=1, workers=0, precision="float32", checkpoint_every=2)


def test_the_bundled_architecture_has_the_size_it_claims() -> None:
    model = make_task(batch=2, seed=0).model
    vision = sum(value.numel() for value in model.vision.parameters())
    text = sum(value.numel() for value in model.text.parameters())
    assert (round(vision / 1e6, 1), round(text / 1e6, 1)) == (2.9, 0.7)
    assert small_vision().patches == 49


def test_a_few_steps_lower_the_loss_on_their_own_batch() -> None:
    task = make_task(batch=8, seed=0)
    batch = task.source[0]
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss, _ = task.loss(task.model, batch, torch.Generator())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.8 * losses[0]


def test_training_writes_a_folder_that_loads_and_says_the_same(tmp_path: Path) -> None:
    first, last = train_contrastive(tmp_path, QUICK, batch=4)
    assert (first.steps, last.steps) == (2, 1)
    assert set(last.metrics) == {"validation_r1", "validation_loss", "foreign_best", "min_score"}
    again, _ = train_contrastive(tmp_path, QUICK, batch=4)
    assert again.resumed_from == 2  # finished: nothing is done twice
    assert (tmp_path / "metrics.jsonl").is_file()
    encoder = load_model(tmp_path / "model", dtype="float32")
    assert encoder.min_score == round(last.metrics["min_score"], 3)
    assert encoder.encode_text(["a red star moves up", "nothing"]).shape == (2, 256)
    task = make_task(batch=4, seed=0)
    export(task, tmp_path / "fresh", dtype=torch.float32)
    fresh = load_model(tmp_path / "fresh", dtype="float32")
    batch = task.source[0]
    with torch.inference_mode():
        images, _, _ = task.model(batch["pixels"], batch["ids"])
    pixels = ((batch["pixels"].float() - task.model.mean) / task.model.std).permute(0, 3, 1, 2)
    assert torch.allclose(fresh.encode_pixels(pixels).vectors, images, atol=1e-5)


def test_the_second_part_leaves_the_image_tower_as_it_is(tmp_path: Path) -> None:
    train_contrastive(tmp_path, QUICK, batch=4)
    parts = [newest_checkpoint(tmp_path), newest_checkpoint(tmp_path / "foreign")]
    names = [
        {name.split(".")[1] for name in part.tensors if name.startswith("model.")} for part in parts if part
    ]
    assert names == [{"vision", "text", "logit_scale"}, {"text"}]


def test_validation_asks_about_scenes_training_does_not_draw() -> None:
    task = make_task(batch=2, seed=0)
    numbers = validate(task, batches=1)
    assert 0 <= numbers["validation_r1"] <= 0.3  # weights are random; chance is 1 / POOL
    assert numbers["validation_loss"] == pytest.approx(torch.tensor(float(POOL)).log().item(), rel=0.2)
    assert task.source.split is Split.TRAIN
