"""Annotations: true to the script, in two public formats, read back as they were; something else is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.synth.annotate import ACTIVITYNET, ANNOTATIONS, annotate, read_annotations, write_annotations
from vidskim.synth.draw import draw_script
from vidskim.synth.script import Script


@pytest.fixture(scope="module")
def scripts() -> list[Script]:
    return [draw_script("test", seed=3, number=number) for number in range(6)]


@pytest.fixture
def folder(scripts: list[Script], tmp_path: Path) -> Path:
    write_annotations(tmp_path, annotate(scripts))
    return tmp_path


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / ANNOTATIONS).read_text().splitlines()]


def test_what_is_written_is_read_back(scripts: list[Script], folder: Path) -> None:
    found = read_annotations(folder)
    assert found == annotate(scripts)
    assert [annotation.qid for annotation in found] == list(range(len(found)))


def test_annotations_say_what_the_script_says(scripts: list[Script]) -> None:
    found = iter(annotate(scripts))
    for script in scripts:
        for event in script.events:
            annotation = next(found)
            shot = script.shot_at(event.start_s)
            assert (annotation.video, annotation.duration_s) == (f"{script.name}.mp4", script.duration_s)
            assert (annotation.start_s, annotation.end_s) == (event.start_s, event.end_s)
            assert (annotation.captions, annotation.held_out) == (event.captions, event.held_out)
            assert (annotation.look, annotation.action) == (event.actor.look, event.actor.action)
            assert (annotation.background, annotation.camera) == (shot.background.pattern, shot.camera.kind)
            assert annotation.cut == (len(script.shots) > 1)
    assert next(found, None) is None


def test_lines_are_like_those_of_qvhighlights(scripts: list[Script], folder: Path) -> None:
    first, event = lines(folder)[0], scripts[0].events[0]
    assert list(first)[:5] == ["qid", "query", "duration", "vid", "relevant_windows"]
    assert first["vid"] == "test-3-00000"
    assert first["relevant_windows"] == [[event.start_s, event.end_s]]
    assert first["query"] == first["captions"][0] == event.captions[0]
    assert not {"relevant_clip_ids", "saliency_scores"} & set(first)
    assert (folder / ANNOTATIONS).read_bytes().endswith(b"}\n")


def test_entries_are_like_those_of_activitynet(scripts: list[Script], folder: Path) -> None:
    entries = json.loads((folder / ACTIVITYNET).read_text())
    assert list(entries) == [f"v_{script.name}" for script in scripts]
    for script, entry in zip(scripts, entries.values(), strict=True):
        assert set(entry) == {"duration", "timestamps", "sentences"}
        assert entry["duration"] == script.duration_s
        assert entry["timestamps"] == [[event.start_s, event.end_s] for event in script.events]
        assert entry["sentences"] == [event.captions[0] for event in script.events]


def test_keys_of_others_are_left_aside(folder: Path) -> None:
    records = [{**line, "relevant_clip_ids": [0, 1]} for line in lines(folder)]
    before = read_annotations(folder)
    (folder / ANNOTATIONS).write_text("".join(json.dumps(record) + "\n" for record in records))
    assert read_annotations(folder) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relevant_windows": [[4.0, 2.0]]}, r"0 <= start < end <= duration, received 4.0 to 2.0 of"),
        ({"relevant_windows": [[0.0, 999.0]]}, "received 0.0 to 999.0 of"),
        ({"relevant_windows": [[0.0, 1.0], [2.0, 3.0]]}, r"must be one pair of seconds, \[\[start, end\]\]"),
        ({"relevant_windows": [["0", "1"]]}, "must be one pair of seconds"),
        ({"duration": "10"}, "duration must be a number, received '10'"),
        ({"duration": True}, "duration must be a number, received True"),
        ({"qid": "a"}, "qid must be a int, received 'a'"),
        ({"held_out": 1}, "held_out must be a bool, received 1"),
        ({"captions": []}, "the query must be the first caption"),
        ({"captions": ["a"], "query": "b"}, r"the query must be the first caption, received 'b' and \['a'\]"),
        ({"captions": ["", "a"], "query": ""}, "an event needs captions"),
        ({"shape": "circel"}, "unknown shape 'circel'; allowed: .* Did you mean 'circle'"),
        ({"colour": "grey"}, "unknown colour 'grey'"),
        ({"size": "tiny"}, "unknown size 'tiny'"),
        ({"action": "jumps"}, "unknown action 'jumps'"),
        ({"background": "plane"}, "Did you mean 'plain'"),
        ({"camera": "pans"}, "Did you mean 'pan'"),
        ({"vid": "../x"}, r"a video must be a plain file name, received '../x.mp4'"),
        ({"vid": ""}, "a video must be a plain file name, received '.mp4'"),
    ],
)
def test_what_is_no_annotation_is_named_with_its_line(
    folder: Path, change: dict[str, Any], message: str
) -> None:
    records = lines(folder)
    records[2] |= change
    (folder / ANNOTATIONS).write_text("".join(json.dumps(record) + "\n" for record in records))
    with pytest.raises(SettingsError, match=message) as caught:
        read_annotations(folder)
    assert str(caught.value).startswith(f"{folder / ANNOTATIONS}, line 3: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1: Expecting property name"),
        ("[1]", r"line 1: an annotation must be a JSON object, received '\[1\]'"),
        (
            '{"qid": 1, "query": "a", "vid": "b"}',
            "line 1: an annotation of ours must have .*; missing: duration, ",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / ANNOTATIONS).write_text(text + "\n")
    with pytest.raises(SettingsError, match=message):
        read_annotations(tmp_path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file; it is written when all videos are there"):
        read_annotations(tmp_path)
