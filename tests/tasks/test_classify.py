"""Labels of several files, one of which cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from tests.pipeline.tiny_classifier import make_classifier

from vidskim.errors import SettingsError, VideoError
from vidskim.pipeline.classification import Classification
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.tasks.classify import classify_files
from vidskim.video.read import read_video
from vidskim.video.write import write_video


@pytest.fixture
def rec() -> VideoClassifier:
    return make_classifier()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("one.mp4", "bad.mp4", "two.mp4")]
    generator = np.random.default_rng(0)
    for path in (paths[0], paths[2]):
        write_video(path, iter(generator.integers(0, 256, (20, 32, 48, 3), dtype=np.uint8)), 10.0)
    paths[1].write_bytes(b"no video")
    return paths


def test_each_file_has_its_labels_or_why_not(rec: VideoClassifier, files: list[Path]) -> None:
    found = list(classify_files(files, rec, top=2, views="ssv2"))
    assert [path for path, _ in found] == files
    for path, shown in (found[0], found[2]):
        assert isinstance(shown, Classification)
        expected = rec.classify(read_video(path), top=2, views="ssv2")
        assert dict(shown) == pytest.approx(dict(expected), abs=1e-6)
        assert (len(shown), shown.views) == (2, 6)
    error = found[1][1]
    assert isinstance(error, VideoError)
    assert (error.kind, error.path) == ("cannot_open", str(files[1]))


def test_wrong_settings_stop_at_once(rec: VideoClassifier, files: list[Path]) -> None:
    with pytest.raises(SettingsError, match="unknown views 'all'; allowed: k400, one, ssv2"):
        list(classify_files(files, rec, views="all"))
    with pytest.raises(SettingsError, match="1 or more; received 0"):
        list(classify_files(files, rec, top=0))
