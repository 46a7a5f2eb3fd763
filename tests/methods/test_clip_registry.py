"""Methods of video classifiers by name."""

from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.methods.clip_registry import clip_method_settings, make_clip_method
from vidskim.methods.clips import FullClip
from vidskim.methods.sta import Sta


def test_methods_are_built_from_their_settings() -> None:
    assert make_clip_method("full", {}, family="videomae") == FullClip()
    assert make_clip_method("sta", {"r": [4, 2, 0]}, family="videomae") == Sta(r=(4, 2, 0))
    assert clip_method_settings(Sta(r=8)) == {
        "r": 8,
        "groups": "halved",
        "direction": "alternate",
        "anchor": "all",
    }
    assert clip_method_settings(Sta(r=(4, 2, 0)))["r"] == [4, 2, 0]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "stä",
            {},
            r"'stä'; allowed: full, random, redundancy, saliency, sta, tome, uniform. Did you mean 'sta'",
        ),
        (
            "reuse",
            {},
            "method='reuse' encodes frames, and this is a video classifier; its methods: full, sta, saliency",
        ),
        (
            "full",
            {"r": 3},
            "method='full' has no setting 'r'; it belongs to method='sta' or 'saliency'",
        ),
        (
            "sta",
            {"keep": 0.5},
            "unknown setting of method='sta', 'keep'; allowed: anchor, direction, groups, r",
        ),
        ("sta", {"anchor": 1}, "unknown anchor 1; allowed: all, kept"),
        ("sta", {"groups": ["halved"]}, r"unknown groups of method='sta', \('halved',\); allowed: halved"),
        ("random", {"seed": 2**60}, "seed is a whole number from 0 to 72057594037927935; received 1152921"),
    ],
)
def test_what_does_not_fit_is_named(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_clip_method(name, settings, family="videomae")
