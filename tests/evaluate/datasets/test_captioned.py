"""Sentences by video, and the files they belong to."""

from pathlib import Path

import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos

ROWS = [("b", "two  dogs\n"), ("a", "a cat"), ("b", "they run"), ("c.avi", "rain")]


def test_rows_become_videos_with_sentences() -> None:
    videos = CaptionedVideos.of(ROWS)
    assert videos.videos == ("b", "a", "c.avi")
    assert videos.texts == ("two dogs", "a cat", "they run", "rain")
    assert videos.owners == (0, 1, 0, 2)
    assert videos.joined() == CaptionedVideos(
        ("b", "a", "c.avi"), ("two dogs they run", "a cat", "rain"), (0, 1, 2)
    )
    assert videos.part([2, 0]) == CaptionedVideos(("c.avi", "b"), ("two dogs", "they run", "rain"), (1, 1, 0))
    assert len(videos) == 3


@pytest.mark.parametrize("rows", [[], [("a", " ")], [("", "a dog")]])
def test_rows_without_any_words_or_a_video_are_refused(rows: list[tuple[str, str]]) -> None:
    with pytest.raises(SettingsError, match=r"there are no sentences|a sentence without a video: 'a dog'"):
        CaptionedVideos.of(rows)


def test_sentences_without_words_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    rows = [("a", "\n"), *ROWS, ("b", " "), ("z", "")]
    assert CaptionedVideos.of(rows) == CaptionedVideos.of(ROWS)
    assert caplog.messages == ["3 sentences have no words and are left out, the first of video a"]


def test_files_are_found_by_name_and_stem(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.mp4", "deep/v_a.mkv", "deep/c.mp4", "c.txt", ".b.mp4"):
        (tmp_path / name).touch()
    found, paths, missing = CaptionedVideos.of([*ROWS, ("z", "nothing")]).locate(tmp_path)
    assert found.videos == ("b", "a", "c.avi")  # c is there with another suffix
    assert [path.name for path in paths] == ["b.mp4", "v_a.mkv", "c.mp4"]
    assert missing == ("z",)
    assert found.texts == ("two dogs", "a cat", "they run", "rain")
    assert paths[0] == tmp_path / "b.mp4"
    with pytest.raises(SettingsError, match="none of the 1 videos is there, such as z"):
        CaptionedVideos.of([("z", "nothing")]).locate(tmp_path)
    with pytest.raises(SettingsError, match="no such folder of videos"):
        found.locate(tmp_path / "nowhere")


def test_names_may_be_paths_and_doubtful_ones_are_refused(tmp_path: Path) -> None:
    for name in ("cats/1.mp4", "dogs/1.mp4", "talk.mp4", "talk.mkv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = [("dogs/1.mp4", "a dog"), ("cats/1.mp4", "a cat"), ("talk", "words"), ("talk.2", "more")]
    found, paths, missing = CaptionedVideos.of(rows).locate(tmp_path)
    assert found.videos == ("dogs/1.mp4", "cats/1.mp4", "talk")
    assert paths == (tmp_path / "dogs/1.mp4", tmp_path / "cats/1.mp4", tmp_path / "talk.mkv")
    assert missing == ("talk.2",)
    with pytest.raises(
        SettingsError, match=r"1 may be .*cats/1.mp4 or .*dogs/1.mp4; name videos by their paths"
    ):
        CaptionedVideos.of([("1", "a cat")]).locate(tmp_path)
    with pytest.raises(SettingsError, match=r"talk and talk\.mkv are both"):
        CaptionedVideos.of([("talk", "words"), ("talk.mkv", "words")]).locate(tmp_path)
