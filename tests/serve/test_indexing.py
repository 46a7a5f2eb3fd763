"""What the process that indexes reads, and what not."""

from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import CannotOpenError
from vidskim.serve.indexing import _read


def test_a_link_that_leads_outside_since_the_job_was_made_is_not_read(tmp_path: Path, footage: Path) -> None:
    told: list[Any] = []
    (tmp_path / "clips").mkdir()
    path = tmp_path / "clips/clip.mp4"
    path.write_bytes(footage.read_bytes())
    settings: Any = {"roots": [str(tmp_path / "other"), str(tmp_path / "clips")], "tell": told.append}
    assert sum(len(clip) for clip in _read(path, **settings)) == 16
    assert told[-1]["reading"][0] == "clip.mp4"
    path.unlink()
    path.symlink_to(footage)
    with pytest.raises(CannotOpenError, match="it lies outside the folders that are served"):
        next(_read(path, **settings))
