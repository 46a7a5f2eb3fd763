"""Feature files: equal content is equal bytes, whole or absent, other programs can read them."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from vidskim import disk
from vidskim.errors import SettingsError
from vidskim.pipeline.files import FORMATS, FeatureFile, output_paths, read_features, write_features

WRITE = """
import sys, numpy as np
from pathlib import Path
from vidskim.pipeline.files import FeatureFile, write_features
metadata = {key: key for key in ("run", "name", "source", "macs", "health", "version")}
record = FeatureFile(np.ones((2, 3), np.float32), np.zeros(2), np.zeros(2, np.uint8), metadata)
write_features(record, out=Path(sys.argv[1]), name="x", format="safetensors")
"""


def make_record(frames: int = 3) -> FeatureFile:
    generator = np.random.default_rng(0)
    return FeatureFile(
        features=generator.standard_normal((frames, 5), dtype=np.float32),
        times_s=np.arange(frames) / 3.0,
        kinds=(np.arange(frames) % 2 == 0).astype(np.uint8),
        metadata={"run": "abc", "source": "caf\udce9 é".encode("utf-8", "backslashreplace").decode()},
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("frames", [0, 1, 3])
def test_what_is_written_is_read_back(tmp_path: Path, format: str, frames: int) -> None:
    record = make_record(frames)
    write_features(record, out=tmp_path, name="deep/er/x.mp4", format=format)
    back = read_features(tmp_path, "deep/er/x.mp4", format)
    for name in ("features", "times_s", "kinds"):
        np.testing.assert_array_equal(getattr(back, name), getattr(record, name))
        assert getattr(back, name).dtype == getattr(record, name).dtype
    assert back.metadata == record.metadata


def test_other_programs_can_read_them(tmp_path: Path) -> None:
    record = make_record()
    write_features(record, out=tmp_path, name="x", format="safetensors")
    write_features(record, out=tmp_path, name="x", format="npy")
    np.testing.assert_array_equal(load_file(tmp_path / "x.safetensors")["features"], record.features)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), record.features)
    np.testing.assert_array_equal(np.load(tmp_path / "x.times.npy"), record.times_s)
    assert json.loads((tmp_path / "x.json").read_text())["kinds"] == "IPI"


def test_equal_content_is_equal_bytes_in_every_process(tmp_path: Path) -> None:
    for name in ("a", "b"):
        environment = {**os.environ, "PYTHONHASHSEED": "1" if name == "a" else "2"}
        subprocess.run([sys.executable, "-c", WRITE, str(tmp_path / name)], check=True, env=environment)
    assert (tmp_path / "a/x.safetensors").read_bytes() == (tmp_path / "b/x.safetensors").read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_a_cut_file_does_not_load(tmp_path: Path, format: str) -> None:
    write_features(make_record(), out=tmp_path, name="x", format=format)
    for path in output_paths(tmp_path, "x", format):
        whole = path.read_bytes()
        for length in (0, 5, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:length])
            with pytest.raises((OSError, ValueError)):
                read_features(tmp_path, "x", format)
        path.write_bytes(whole)
    assert read_features(tmp_path, "x", format).kinds.tolist() == [1, 0, 1]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failed_write_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, broken: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk.os, broken, fail)
    with pytest.raises(OSError, match="No space left"):
        write_features(make_record(), out=tmp_path, name="x", format=format)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_features(make_record(), out=tmp_path, name="x", format="safetensors")
    before = (tmp_path / "x.safetensors").read_bytes()
    monkeypatch.setattr(disk.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "I/O error")))
    with pytest.raises(OSError, match="I/O error"):
        write_features(make_record(2), out=tmp_path, name="x", format="safetensors")
    assert (tmp_path / "x.safetensors").read_bytes() == before


def test_records_are_checked() -> None:
    good = make_record()
    with pytest.raises(
        ValueError, match=r"features: expected 2 dimensions of float32, received \(3, 5\) of float64"
    ):
        FeatureFile(good.features.astype(np.float64), good.times_s, good.kinds)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"differ in length: \{'features': 3, 'times_s': 2, 'kinds': 3\}"):
        FeatureFile(good.features, good.times_s[:2], good.kinds)


def test_unknown_formats_are_named() -> None:
    with pytest.raises(SettingsError, match=r"unknown format 'safetensor'.*Did you mean 'safetensors'"):
        output_paths(Path(), "x", "safetensor")
