"""A grounding as a picture."""

import sys
from pathlib import Path

import numpy as np
import pytest

from vidskim.errors import VidskimError
from vidskim.tasks.ground import Grounding, ground
from vidskim.tasks.plot import plot_grounding


@pytest.fixture
def grounding() -> Grounding:
    return ground(np.sin(np.arange(60) / 4) / 3, np.arange(60) / 3, window_s=1.0)


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("b.svg", b"<?xml"), ("new/c.pdf", b"%PDF")]
)
def test_pictures_of_several_kinds(tmp_path: Path, grounding: Grounding, name: str, start: bytes) -> None:
    plot_grounding(grounding, tmp_path / name, title="talk.mp4: a $ sign and a _")
    assert (tmp_path / name).read_bytes().startswith(start)
    assert "matplotlib.pyplot" not in sys.modules


def test_an_unknown_kind_is_refused(tmp_path: Path, grounding: Grounding) -> None:
    with pytest.raises(VidskimError, match=r"cannot draw .*a\.txt: its suffix must be one of .*png"):
        plot_grounding(grounding, tmp_path / "a.txt", title="")


def test_without_matplotlib_the_message_says_what_to_install(
    tmp_path: Path, grounding: Grounding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(VidskimError, match=r"pip install 'vidskim\[plot\]'"):
        plot_grounding(grounding, tmp_path / "a.png", title="")
