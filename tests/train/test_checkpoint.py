"""Checkpoints are whole or skipped, and belong to their settings."""

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from vidskim.errors import CheckpointError, SettingsError
from vidskim.train.checkpoint import (
    DamagedCheckpointError,
    TrainCheckpoint,
    check_settings,
    checkpoint_path,
    list_checkpoints,
    newest_checkpoint,
    read_train_checkpoint,
    write_checkpoint,
)


def checkpoint(step: int) -> TrainCheckpoint:
    return TrainCheckpoint(
        step=step,
        settings={"steps": 50, "betas": [0.9, 0.98], "clip_norm": None},
        progress={"loss": 0.1 + 0.2, "window": {"loss": [1 / 3]}},
        tensors={"model.w": torch.full((2, 3), float(step)), "optimizer.w.step": torch.tensor(float(step))},
    )


def damage(path: Path) -> None:
    """Change one byte of the last tensor."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, checkpoint(1200))
    assert path.name == "checkpoint-00001200.safetensors"
    back = read_train_checkpoint(path)
    assert (back.step, back.settings, back.progress) == (1200, checkpoint(0).settings, checkpoint(0).progress)
    assert all(torch.equal(value, back.tensors[name]) for name, value in checkpoint(1200).tensors.items())
    assert set(load_file(path)) == {"model.w", "optimizer.w.step"}


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-of-my-own.safetensors").write_bytes(b"")
    for step in (5, 10, 15, 20):
        write_checkpoint(tmp_path, checkpoint(step))
    assert list(list_checkpoints(tmp_path)) == [20, 15]
    assert len(list(tmp_path.iterdir())) == 3


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None


@pytest.mark.parametrize("how", ["byte", "cut", "empty"])
def test_a_damaged_one_is_skipped_and_goes_when_the_next_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    write_checkpoint(tmp_path, checkpoint(5))
    newest = write_checkpoint(tmp_path, checkpoint(10))
    if how == "byte":
        damage(newest)
    else:
        newest.write_bytes(newest.read_bytes()[:-3] if how == "cut" else b"")
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 5
    assert "checkpoint-00000010.safetensors: damaged" in caplog.text
    assert "going back to the checkpoint before it" in caplog.text
    write_checkpoint(tmp_path, checkpoint(7))
    assert list(list_checkpoints(tmp_path)) == [7, 5]


def test_only_damaged_ones_do_not_begin_again_in_silence(tmp_path: Path) -> None:
    damage(write_checkpoint(tmp_path, checkpoint(5)))
    with pytest.raises(
        CheckpointError, match=r"all checkpoints are damaged \(checkpoint-00000005\.safetensors\)\. Remove"
    ):
        newest_checkpoint(tmp_path)


def test_other_files_of_that_name_are_refused(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, checkpoint_path(tmp_path, 3))
    with pytest.raises(
        CheckpointError, match="expected a training checkpoint of format vidskim-train-1, received none"
    ):
        newest_checkpoint(tmp_path)


def test_a_header_that_lost_a_part_is_damage(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, checkpoint(5))
    content = path.read_bytes()
    assert content.count(b'"progress"') == 1
    path.write_bytes(content.replace(b'"progress"', b'"prog_ess"'))
    with pytest.raises(DamagedCheckpointError, match="its header"):
        read_train_checkpoint(path)


def test_a_write_that_fails_leaves_the_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, checkpoint(5))

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, checkpoint(10))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000005.safetensors"]


def test_settings_that_differ_are_all_named(tmp_path: Path) -> None:
    stored = {"steps": 50, "seed": 0, "betas": [0.9, 0.98], "gone": 1}
    now = {"steps": 60, "seed": 0, "betas": [0.9, 0.95], "gone": 1}
    check_settings(stored, stored, folder=tmp_path)
    message = (
        r"other settings: betas was \[0\.9, 0\.98\], is \[0\.9, 0\.95\]; steps was 50, is 60\. "
        "Give it the same settings, train in another folder, or remove this one"
    )
    with pytest.raises(SettingsError, match=message):
        check_settings(now, stored, folder=tmp_path)
    with pytest.raises(SettingsError, match="gone was 1, is None"):
        check_settings(
            {key: value for key, value in stored.items() if key != "gone"}, stored, folder=tmp_path
        )
