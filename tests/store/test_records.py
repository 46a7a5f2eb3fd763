"""Records are checked when they are built."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.store.conftest import FINGERPRINT

from vidskim.errors import SettingsError
from vidskim.store.identity import Identity
from vidskim.store.records import About, Hits, VideoRecord, last_part, stored_path


def given(**changes: Any) -> VideoRecord:
    arguments = {"path": "/videos/a b.mp4", "identity": Identity(1, 1, "x"), "duration_s": 1.0}
    return VideoRecord(**{**arguments, **changes})


def test_the_name_is_the_last_part_unless_given() -> None:
    assert given().name == "a b.mp4"
    assert given(name="holiday").name == "holiday"
    assert last_part("s3://bucket/folder/c.mp4") == "c.mp4"
    assert last_part("C:\\videos\\d.mp4") == "d.mp4"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": "a.mp4"}, "a stored path must be absolute or a URI, received 'a.mp4'"),
        ({"path": "/videos/\udce9.mp4"}, "holds bytes that are not UTF-8; rename the file"),
        ({"duration_s": -1.0}, "duration_s must be 0 or more seconds, received -1.0"),
        ({"duration_s": float("nan")}, "duration_s must be 0 or more seconds, received nan"),
        ({"fps": 0.0}, "fps must be above 0, or None for every frame, received 0.0"),
        ({"notes": {"a": object()}}, "notes must be plain JSON values"),
    ],
)
def test_bad_videos_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        given(**changes)


def test_paths_are_stored_absolute_and_uris_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert stored_path("x/../a.mp4") == os.path.join(os.getcwd(), "a.mp4")
    assert stored_path("s3://bucket/x/a.mp4") == "s3://bucket/x/a.mp4"


def test_a_store_needs_two_dimensions() -> None:
    with pytest.raises(SettingsError, match="dimensions must be 2 or more, received 1"):
        About("x", FINGERPRINT, 1, "now")


def test_hits_agree_in_length() -> None:
    one = np.zeros(1)
    with pytest.raises(SettingsError, match=r"the fields of Hits differ in length: \[1, 2\]"):
        Hits(("a", "b"), np.zeros(1, np.int64), one, one, one.astype(np.float32), "exact")
