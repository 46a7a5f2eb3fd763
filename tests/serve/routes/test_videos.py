"""Videos over HTTP: lists, thumbnails, byte ranges, uploads, and every attack on them."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from vidskim.serve.caps import Caps
from vidskim.serve.refusal import RefusedError

Library = Any  # see conftest
STUB = (sys.executable, str(Path(__file__).parents[1] / "stub_indexing.py"))


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_list_is_in_order_and_paged(client: TestClient, library: Library) -> None:
    page = client.get("/v1/videos", params={"limit": 2, "offset": 1}).json()
    assert (page["total"], page["offset"]) == (3, 1)
    assert [video["name"] for video in page["videos"]] == ["blue.mp4", "green.mp4"]
    assert [video["folder"] for video in page["videos"]] == ["clips/b", "clips/b"]
    assert client.get("/v1/videos", params={"folder": "clips/a"}).json()["total"] == 1
    assert client.get("/v1/folders").json() == {
        "roots": ["clips", "uploads"],
        "folders": ["clips/a", "clips/b"],
    }
    assert str(library.folder) not in client.get("/v1/videos").text


def test_one_video(fresh_client: TestClient, fresh: Library) -> None:
    red = fresh.videos["red"]
    shown = fresh_client.get(f"/v1/videos/{red.id}").json()
    assert (shown["video_id"], shown["frames"], shown["available"]) == (red.id, 4, True)
    (fresh.folder / "clips/a/red.mp4").unlink()
    assert fresh_client.get(f"/v1/videos/{red.id}").json()["available"] is False
    assert code(fresh_client.get(shown["stream_url"])) == (410, "file_gone")


@pytest.mark.parametrize("video", ["nobody", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "..%5c..", "🎬"])
def test_an_id_is_never_a_path(client: TestClient, video: str) -> None:
    for kind in ("", "/stream", "/thumbnail", "/signal?query=red"):
        answer = client.get(f"/v1/videos/{video}{kind}")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] in ("no_video", "not_found")


def test_a_thumbnail_is_a_jpeg_of_ours(client: TestClient, library: Library) -> None:
    path = f"/v1/videos/{library.videos['red'].id}/thumbnail"
    answer = client.get(path, params={"t": 1.0, "side": 160})
    assert answer.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, max(picture.size)) == ("JPEG", 64)
    assert client.get(path, params={"t": 1.0, "side": 160}).content == answer.content
    assert client.get(path, params={"t": 1e5}).status_code in (200, 422)
    assert code(client.get(path, params={"t": "nan"})) == (422, "invalid_request")
    for side in (100000, 200, "x", 160.5):
        assert code(client.get(path, params={"side": side})) == (422, "invalid_request")


def test_a_file_that_is_no_video_any_more(fresh_client: TestClient, fresh: Library) -> None:
    (fresh.folder / "clips/a/red.mp4").write_text("#EXTM3U\nfile:///etc/passwd\n")
    video = f"/v1/videos/{fresh.videos['red'].id}"
    assert code(fresh_client.get(f"{video}/thumbnail")) == (422, "unreadable_video")
    assert fresh_client.get(f"{video}/stream").headers["content-type"] == "application/octet-stream"


def test_ranges(client: TestClient, library: Library) -> None:
    path = f"/v1/videos/{library.videos['red'].id}/stream"
    content = (library.folder / "clips/a/red.mp4").read_bytes()
    size = len(content)
    whole = client.get(path)
    assert (whole.status_code, whole.content, whole.headers["content-type"]) == (200, content, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes"
    for header, start, stop in (
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, size),
        ("bytes=-50", size - 50, size),
        (f"bytes=10-{size + 999}", 10, size),
        (f"bytes=-{size + 999}", 0, size),
    ):
        part = client.get(path, headers={"range": header})
        assert (part.status_code, part.content) == (206, content[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    for header in ("bytes=a-b", "bytes=9-1", "lines=1-2", "bytes=0-1,5-6", "bytes=-"):
        assert client.get(path, headers={"range": header}).status_code == 200
    for header in (f"bytes={size}-", "bytes=-0"):
        refused = client.get(path, headers={"range": header})
        assert code(refused) == (416, "range_not_satisfiable")
        assert refused.headers["content-range"] == f"bytes */{size}"
    head = client.head(path, headers={"range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"], head.content) == (206, "10", b"")
    fresh = client.get(path, headers={"range": "bytes=0-9", "if-range": whole.headers["etag"]})
    stale = client.get(path, headers={"range": "bytes=0-9", "if-range": '"old"'})
    assert (fresh.status_code, stale.status_code) == (206, 200)


def test_a_stored_path_that_became_a_link_to_a_secret(fresh_client: TestClient, fresh: Library) -> None:
    secret = fresh.folder / "secret.mp4"
    secret.write_bytes(b"secret")
    path = fresh.folder / "clips/a/red.mp4"
    path.unlink()
    path.symlink_to(secret)
    for kind in ("stream", "thumbnail"):
        assert code(fresh_client.get(f"/v1/videos/{fresh.videos['red'].id}/{kind}")) == (403, "outside_roots")


def test_a_stored_path_outside_the_roots(fresh_client: TestClient, fresh: Library, footage: Path) -> None:
    outside = fresh.folder / "private.mp4"
    outside.write_bytes(footage.read_bytes() + b"\0" * 9)
    video = fresh.add(outside, axis=3)
    assert fresh_client.get(f"/v1/videos/{video.id}").json()["available"] is False
    assert code(fresh_client.get(f"/v1/videos/{video.id}/stream")) == (403, "outside_roots")


def test_a_script_in_a_file_name_stays_text(fresh_client: TestClient, fresh: Library, footage: Path) -> None:
    path = fresh.folder / "clips" / "<img src=x onerror=alert(1)>.mp4"
    path.write_bytes(footage.read_bytes() + b"\0" * 8)
    video = fresh.add(path, axis=4)
    answer = fresh_client.get(f"/v1/videos/{video.id}")
    assert answer.json()["name"] == "<img src=x onerror=alert(1)>.mp4"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert fresh_client.get(answer.json()["stream_url"]).headers["content-disposition"] == "inline"


def upload(client: TestClient, content: Any, name: str = "clip.mp4") -> Any:
    return client.post("/v1/videos", params={"name": name}, content=content)


def kept(library: Library) -> list[str]:
    return sorted(path.name for path in (library.data / "uploads").iterdir())


def test_an_upload_is_taken_in_and_indexed(fresh: Library, footage: Path) -> None:
    with TestClient(fresh.app(command=STUB), base_url="http://localhost") as client:
        answer = upload(client, footage.read_bytes(), name="../../etc/<b>My clip</b>.exe")
        assert answer.status_code == 201, answer.text
        taken = answer.json()
        assert kept(fresh) == [taken["name"]]
        assert taken["name"][8:] == "-b_.mp4"  # what follows the last slash
        assert "/" not in taken["name"]
        assert "<" not in taken["name"]
        assert (taken["width"], taken["height"], taken["codec"]) == (64, 48, "h264")
        assert taken["size_bytes"] == footage.stat().st_size
        assert taken["job"]["listed"] == 1
        assert (fresh.data / "uploads" / taken["name"]).read_bytes() == footage.read_bytes()


def test_an_upload_that_no_job_can_be_made_for_is_not_kept(
    fresh: Library, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fresh.app(command=STUB, caps=Caps(jobs=1))
    runner = app.state.services.runner

    async def full(*_: Any) -> None:
        raise RefusedError("busy", "1 jobs are waiting already")

    with TestClient(app, base_url="http://localhost") as client:
        with monkeypatch.context() as patch:  # the queue filled while the bytes came
            patch.setattr(runner, "submit", full)
            assert code(upload(client, footage.read_bytes())) == (429, "busy")
        monkeypatch.setattr(runner, "_most", 0)
        assert code(upload(client, b"never looked at")) == (429, "busy")
    assert kept(fresh) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video at all",
        b"#EXTM3U\nhttp://127.0.0.1/x\n",
        b"\0\0\0\x18ftypmp42 cut off",
        b"ffconcat version 1.0",
    ],
)
def test_what_is_no_video_is_not_kept(client: TestClient, library: Library, content: bytes) -> None:
    assert code(upload(client, content)) == (422, "unreadable_video")
    assert kept(library) == []


def test_uploads_above_a_cap(fresh: Library, footage: Path) -> None:
    size = footage.stat().st_size
    with TestClient(fresh.app(caps=Caps(upload_bytes=size - 1)), base_url="http://localhost") as client:
        assert code(upload(client, footage.read_bytes())) == (413, "too_large")

        def unannounced() -> Iterator[bytes]:
            yield footage.read_bytes()

        assert code(upload(client, unannounced())) == (413, "too_large")
    for caps in (Caps(pixels=64 * 48 - 1), Caps(duration_s=1.5)):
        with TestClient(fresh.app(caps=caps), base_url="http://localhost") as client:
            assert code(upload(client, footage.read_bytes())) == (413, "too_large")
    with TestClient(fresh.app(caps=Caps(free_bytes=2**60)), base_url="http://localhost") as client:
        assert code(upload(client, footage.read_bytes())) == (507, "no_room")
    assert kept(fresh) == []


def test_what_a_kill_left_is_removed(fresh: Library) -> None:
    rest = fresh.data / "uploads" / ".0123.part"
    rest.write_bytes(b"half")
    fresh.app()
    assert not rest.exists()


def test_no_url_is_fetched(client: TestClient) -> None:
    for asked in (
        {"url": "http://127.0.0.1/"},
        {"query": "red", "url": "http://x"},
        {"image": "http://127.0.0.1/a.png"},
    ):
        assert client.post("/v1/search", json=asked).status_code == 422


def test_the_reference_fetches_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "POST /v1/search" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
