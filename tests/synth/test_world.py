"""The arguments of a set of videos: checked, written down, read back, compared."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.synth.draw import draw_script
from vidskim.synth.world import WORLD, World, differences, read_description, read_world

SMALL = World(videos=3, seed=5, fps=8, height=48, width=64)


def test_a_world_is_its_scripts() -> None:
    assert SMALL.scripts() == [draw_script("test", seed=5, number=number) for number in range(3)]
    assert SMALL.scripts(limit=2) == SMALL.scripts()[:2]
    assert SMALL.scripts(limit=9) == SMALL.scripts()
    assert SMALL.script(2) == SMALL.scripts()[2]
    assert SMALL.frames(SMALL.script(0)) == round(8 * SMALL.script(0).duration_s)


def test_a_description_counts_and_tells_worlds_apart() -> None:
    found, scripts = SMALL.describe(), SMALL.scripts()
    assert json.loads(json.dumps(found)) == found
    assert found["counts"] == {
        "videos": 3,
        "events": sum(len(script.events) for script in scripts),
        "frames": sum(round(8 * script.duration_s) for script in scripts),
        "seconds": pytest.approx(sum(script.duration_s for script in scripts)),
    }
    assert found["scripts"] == replace(SMALL, fps=4, width=32).describe()["scripts"]
    for other in (replace(SMALL, seed=6), replace(SMALL, videos=2), replace(SMALL, split="train")):
        assert found["scripts"] != other.describe()["scripts"]


def test_differences_name_the_cause_first() -> None:
    ours = SMALL.describe()
    assert differences(ours, ours) == []
    assert differences(replace(SMALL, seed=6, fps=4).describe(), ours) == ["seed: 6 -> 5", "fps: 4 -> 8"]
    assert differences({**ours, "scripts": "0"}, ours) == [f"scripts: 0 -> {ours['scripts']}"]
    assert differences({}, ours)[0] == "format: None -> 1"


def test_a_world_is_read_back(tmp_path: Path) -> None:
    (tmp_path / WORLD).write_text(json.dumps(SMALL.describe()))
    assert read_world(tmp_path) == SMALL
    assert read_description(tmp_path) == SMALL.describe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "world.json: not JSON"),
        ("[]", "world.json: not a JSON object"),
        ("{}", "expected format 1 with videos, .* received format None, missing videos, split"),
        (json.dumps({**SMALL.describe(), "format": 2}), "received format 2, missing nothing"),
        (json.dumps({**SMALL.describe(), "seed": -1}), "seed must be a whole number, 0 or more, received -1"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / WORLD).write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_world(tmp_path)


def test_no_file_is_no_world(tmp_path: Path) -> None:
    assert read_description(tmp_path) is None
    assert read_description(tmp_path / "absent") is None
    with pytest.raises(SettingsError, match=r"no such file; write videos with vidskim synth"):
        read_world(tmp_path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"videos": 0}, "videos must be a whole number, 1 or more, received 0"),
        ({"videos": 2.0}, r"videos must be a whole number, 1 or more, received 2\.0"),
        ({"videos": True}, "received True"),
        ({"seed": -1}, "seed must be a whole number, 0 or more, received -1"),
        ({"height": 8}, "height must be a whole number, 16 to 4096, received 8"),
        ({"width": 5000}, "width must be a whole number, 16 to 4096, received 5000"),
        ({"fps": 0}, "fps must be 1 to 240, received 0"),
        ({"fps": float("nan")}, "fps must be 1 to 240, received nan"),
        ({"fps": "15"}, "fps must be a number, received '15'"),
        ({"split": "tests"}, "unknown split 'tests'; allowed: test, train, validation. Did you mean 'test'"),
    ],
)
def test_values_out_of_range_are_errors(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        World(**{"videos": 1, **setting})
