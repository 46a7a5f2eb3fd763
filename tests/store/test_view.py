"""Which videos a filter lets through."""

import pyarrow as pa
import pytest
from tests.store.conftest import record

from vidskim.errors import StoreError
from vidskim.store.records import StoredVideo
from vidskim.store.schema import VIDEO_SCHEMA, video_row
from vidskim.store.view import BehindError, View, may_be_behind

PATHS = ["/v/a.mp4", "/v/sub/b.mp4", "/video/c.mp4", "s3://bucket/v/d.mp4"]


@pytest.fixture
def view() -> View:
    rows = []
    for number, path in enumerate(PATHS):
        fields = vars(record(path, content="same" if number < 2 else ""))
        rows.append(
            video_row(
                StoredVideo(
                    **fields,
                    id=str(number),
                    frames=number + 1,
                    fingerprint="f",
                    indexed_at="now",
                    entry=f"e{number}",
                )
            )
        )
    return View(version=1, table=pa.concat_tables(rows[::-1]))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/v", {"0", "1"}),
        ("/v/", {"0", "1"}),
        ("/v/sub", {"1"}),
        ("/v/sub/b.mp4", {"1"}),
        ("/vid", set()),
        ("/", {"0", "1", "2"}),
        ("s3://bucket/v", {"3"}),
        ("s3://bucket", {"3"}),
    ],
)
def test_a_folder_lets_through_what_is_below_it(view: View, folder: str, expected: set[str]) -> None:
    assert set(view.select(folder=folder, ids=None).values()) == expected


def test_ids_and_folder_both_count(view: View) -> None:
    assert view.select(folder="/v", ids=["1", "2"]) == {"e1": "1"}
    assert view.select(folder=None, ids="2") == {"e2": "2"}
    assert view.select(folder=None, ids=[]) == {}


def test_an_unknown_id_is_an_error(view: View) -> None:
    with pytest.raises(StoreError, match="no video 'x' among the 4 stored; `vidskim store list` shows ids"):
        view.select(folder=None, ids=["1", "x"])


def test_videos_come_in_order_of_path(view: View) -> None:
    assert [video.path for video in view.videos()] == PATHS
    assert [video.id for video in view.videos(["2", "0"])] == ["0", "2"]


def test_content_is_found_whatever_its_path(view: View) -> None:
    assert view.by_content[1000, "same"] == ["0", "1"]


def test_our_own_errors_are_not_taken_for_a_writers_doing() -> None:
    with pytest.raises(StoreError, match="ours"), may_be_behind():
        raise StoreError("ours")
    with pytest.raises(BehindError, match="RuntimeError: theirs"), may_be_behind():
        raise RuntimeError("theirs")


def test_an_empty_store_has_an_empty_view() -> None:
    assert View(version=1, table=VIDEO_SCHEMA.empty_table()).videos() == []
