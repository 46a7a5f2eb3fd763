"""Summaries: the same as the files hold, and nothing that is cut or foreign passes."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from vidskim.pipeline.files import FORMATS, FeatureFile, output_paths, write_features
from vidskim.pipeline.summary import Summary, read_summary, summarise


def make_record(frames: int = 3) -> FeatureFile:
    return FeatureFile(
        features=np.ones((frames, 5), np.float32),
        times_s=1 + np.arange(frames) / 2.0,
        kinds=(np.arange(frames) % 2 == 0).astype(np.uint8),
        metadata={"run": "abc", "source": "é"},
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("frames", [0, 1, 3])
def test_a_summary_read_is_that_of_the_record(tmp_path: Path, format: str, frames: int) -> None:
    record = make_record(frames)
    write_features(record, out=tmp_path, name="x", format=format)
    assert read_summary(tmp_path, "x", format) == summarise(record)
    assert summarise(make_record(3)) == Summary(3, 5, 2, 1.0, 2.0, {"run": "abc", "source": "é"})


@pytest.mark.parametrize("format", FORMATS)
def test_cut_lengthened_and_missing_files_have_none(tmp_path: Path, format: str) -> None:
    write_features(make_record(), out=tmp_path, name="x", format=format)
    for path in output_paths(tmp_path, "x", format):
        whole = path.read_bytes()
        # a text without its line end is whole
        contents = [whole[:length] for length in range(len(whole) - (path.suffix == ".json"))]
        for content in [*contents, whole + b"x"]:
            path.write_bytes(content)
            with pytest.raises(ValueError):  # noqa: PT011, any way of saying so will do
                read_summary(tmp_path, "x", format)
        path.unlink()
        with pytest.raises(FileNotFoundError):
            read_summary(tmp_path, "x", format)
        path.write_bytes(whole)
    assert read_summary(tmp_path, "x", format).frames == 3


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "not a feature file"),
        ({"features": {"dtype": "F32", "shape": [1, 1], "data_offsets": [0]}}, "not enough values"),
        ({"features": {"dtype": "F16", "shape": [2, 1], "data_offsets": [0, 4]}}, "expected features of F32"),
        (
            {"features": {"dtype": "F32", "shape": [1, 1], "data_offsets": [-4, 0]}},
            "expected features of F32",
        ),
        ({"features": {"dtype": "F32", "shape": "xx", "data_offsets": [0, 4]}}, "not a feature file"),
        ({"weight": {}}, "not a feature file: KeyError"),
    ],
)
def test_other_safetensors_files_are_named(tmp_path: Path, header: object, message: str) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(ValueError, match=message):
        read_summary(tmp_path, "x", "safetensors")


def test_other_npy_files_are_named(tmp_path: Path) -> None:
    write_features(make_record(), out=tmp_path, name="x", format="npy")
    np.save(tmp_path / "x.npy", np.ones((3, 5)))
    with pytest.raises(ValueError, match=r"expected 248 bytes of <f4, received 248 of float64"):
        read_summary(tmp_path, "x", "npy")
    np.save(tmp_path / "x.npy", np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"received \[4, 5\], \[3\], \[3\]"):
        read_summary(tmp_path, "x", "npy")
