"""What a retrieval training keeps: the best weights, in files that load."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import small_clip
import torch
from small_clip import LOOP, small_task

from vidskim.errors import CheckpointError
from vidskim.models.adapter import ADAPTER_FILE, read_adapter
from vidskim.pipeline.load import load_model
from vidskim.train.checkpoint import list_checkpoints
from vidskim.train.retrieval import train_retrieval
from vidskim.train.selection import MODEL, RESULT_FILE, read_result


def test_the_best_of_a_training_that_begins_anew_is_its_own(clip: Path, tmp_path: Path) -> None:
    train_retrieval(small_task(clip), tmp_path, replace(LOOP, steps=2))
    for path in list_checkpoints(tmp_path).values():
        path.unlink()
    record = json.loads((tmp_path / RESULT_FILE).read_text())
    record["best"]["r_sum_both"] = 1e6
    (tmp_path / RESULT_FILE).write_text(json.dumps(record))

    def stop(report: object) -> None:  # before anything is selected, but with a checkpoint
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_retrieval(small_task(clip), tmp_path, replace(LOOP, steps=2), on_step=stop)
    assert list(list_checkpoints(tmp_path)) == [1]
    train_retrieval(small_task(clip), tmp_path, replace(LOOP, steps=2))
    assert read_result(tmp_path)["best"]["r_sum_both"] <= 600


def test_full_tuning_of_frames_alone_writes_a_model_that_loads(clip: Path, tmp_path: Path) -> None:
    """No LoRA and no clip positions: the adapter beside the model has settings alone."""
    alone = {"plan": {"frames": 4, "joins": []}}
    train_retrieval(small_task(clip, tune="full", settings=alone), tmp_path, replace(LOOP, steps=2))
    assert not read_adapter(tmp_path / MODEL / ADAPTER_FILE).to_state()
    model = load_model(tmp_path / MODEL, method="tempme", dtype="float32")
    assert model.plan().plan.to_record()["joins"] == []
    assert model.encode_video(torch.zeros(1, 4, 3, 32, 32)).shape == (1, 16)


def test_full_tuning_writes_a_model_with_its_adapter(clip: Path, tmp_path: Path) -> None:
    train_retrieval(small_task(clip, tune="full"), tmp_path, replace(LOOP, steps=2))
    model = load_model(tmp_path / MODEL, method="tempme", dtype="float32")
    assert model.plan().plan.to_record()["joins"] == small_clip.PLAN["joins"]
    assert model.encode_text(["a red star moves up"]).shape == (1, 16)
    plain = load_model(clip, dtype="float32")
    assert not torch.allclose(plain.encode_text(["a red star"]), model.encode_text(["a red star"]), atol=1e-3)
    with pytest.raises(CheckpointError, match="trained beside another model"):
        load_model(clip, method="tempme", adapter=tmp_path / MODEL / ADAPTER_FILE)
