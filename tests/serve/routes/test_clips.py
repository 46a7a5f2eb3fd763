"""Parts of videos over HTTP."""

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from vidskim.serve.caps import Caps
from vidskim.video.read import frame_times

Library = Any  # see conftest


def test_a_clip_is_a_file_to_keep(fresh_client: TestClient, fresh: Library, tmp_path: Path) -> None:
    answer = fresh_client.get(f"/v1/videos/{fresh.videos['red'].id}/clip", params={"start": 0, "end": 1})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''red-0.0-1.0.mp4"
    path = tmp_path / "part.mp4"
    path.write_bytes(answer.content)
    assert 8 <= len(frame_times(path)) <= 12
    assert list((fresh.data / "uploads").iterdir()) == []


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (0, 601), (-1, 1), ("nan", 1)])
def test_a_range_that_is_none(client: TestClient, library: Library, start: Any, end: Any) -> None:
    answer = client.get(f"/v1/videos/{library.videos['red'].id}/clip", params={"start": start, "end": end})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_nothing_there(client: TestClient, library: Library) -> None:
    assert client.get("/v1/videos/nobody/clip", params={"start": 0, "end": 1}).status_code == 404


def test_a_file_that_is_gone(fresh_client: TestClient, fresh: Library) -> None:
    (fresh.folder / "clips/a/red.mp4").unlink()
    answer = fresh_client.get(f"/v1/videos/{fresh.videos['red'].id}/clip", params={"start": 0, "end": 1})
    assert answer.status_code == 410


def test_no_clip_is_cut_where_the_disk_has_no_room(fresh: Library) -> None:
    with TestClient(fresh.app(caps=Caps(free_bytes=2**60)), base_url="http://localhost") as client:
        answer = client.get(f"/v1/videos/{fresh.videos['red'].id}/clip", params={"start": 0, "end": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "no_room")
    assert list((fresh.data / "uploads").iterdir()) == []
