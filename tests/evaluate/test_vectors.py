"""Vectors kept between runs."""

from pathlib import Path

import torch

from vidskim.evaluate.vectors import FOLDER, VectorFolder, VideoVector

VECTOR = VideoVector(torch.tensor([0.6, 0.8]), 12, 0.25)


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    VectorFolder(tmp_path).keep("a file, a model", VECTOR)
    found = VectorFolder(tmp_path).find("a file, a model")
    assert found is not None
    assert torch.equal(found.vector, VECTOR.vector)
    assert (found.macs, found.seconds) == (12, 0.25)
    assert VectorFolder(tmp_path).find("a file, another model") is None


def test_a_damaged_one_is_not_there(tmp_path: Path) -> None:
    vectors = VectorFolder(tmp_path)
    vectors.keep("x", VECTOR)
    (file,) = (tmp_path / FOLDER).iterdir()
    for data in (b"", file.read_bytes()[:40], b"x" * 100):
        file.write_bytes(data)
        assert vectors.find("x") is None
    vectors.keep("x", VECTOR)
    assert vectors.find("x") is not None


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    vectors = VectorFolder(None)
    vectors.keep("x", VECTOR)
    assert vectors.find("x") is None
