"""Indexing jobs over HTTP, with a process that stands in for the one that indexes."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

Library = Any  # see conftest
STUB = (sys.executable, str(Path(__file__).parents[1] / "stub_indexing.py"))


@pytest.fixture
def client(fresh: Library) -> Iterator[TestClient]:
    with TestClient(fresh.app(command=STUB), base_url="http://localhost") as client:
        yield client


def place(fresh: Library, behaviour: str) -> str:
    """A folder with one video whose name says what the process does."""
    folder = fresh.folder / "clips" / behaviour
    folder.mkdir()
    (folder / f"{behaviour}.mp4").write_bytes(b"x")
    return f"clips/{behaviour}"


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    """The job once nothing changes any more."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        job = client.get(f"/v1/jobs/{job_id}").json()
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def test_a_folder_is_indexed_and_watched(client: TestClient, fresh: Library) -> None:
    made = client.post("/v1/jobs", json={"folder": place(fresh, "fine")})
    job = made.json()
    assert (made.status_code, job["about"], job["listed"]) == (202, "clips/fine", 1)
    with client.stream("GET", job["events_url"]) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    last = events[-1]
    assert last["state"] == "done"
    assert (last["listed"], last["done"], last["failed"], last["frames"]) == (2, 1, 1, 4)
    assert last["failures"] == [{"video": "two.mp4", "kind": "cannot_open", "message": "no video"}]
    assert last["attempt"] == 1
    assert client.get("/v1/jobs").json()["jobs"][0] == last
    assert str(fresh.folder) not in json.dumps(last)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [("crash", "ended with code 3"), ("refuse", "the store holds vectors of another extractor")],
)
def test_a_job_that_fails_can_be_retried(
    client: TestClient, fresh: Library, behaviour: str, said: str
) -> None:
    job = client.post("/v1/jobs", json={"folder": place(fresh, behaviour)}).json()
    failed = ended(client, job["job_id"])
    assert failed["state"] == "failed"
    assert said in failed["message"]
    assert client.post(f"/v1/jobs/{job['job_id']}/retry").status_code == 202
    assert ended(client, job["job_id"])["attempt"] == 2


def test_cancelling_ends_the_process(client: TestClient, fresh: Library) -> None:
    first = client.post("/v1/jobs", json={"folder": place(fresh, "hang")}).json()
    second = client.post("/v1/jobs", json={"video_ids": [fresh.videos["red"].id]}).json()
    assert second["state"] == "queued"
    assert second["about"] == "clips/a/red.mp4"
    assert client.post(f"/v1/jobs/{first['job_id']}/cancel").json()["state"] == "cancelled"
    assert ended(client, second["job_id"])["state"] == "done"
    again = client.post(f"/v1/jobs/{first['job_id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert client.post(f"/v1/jobs/{second['job_id']}/retry").status_code == 409


def test_a_waiting_job_that_is_cancelled_is_never_run(client: TestClient, fresh: Library) -> None:
    hanging = client.post("/v1/jobs", json={"folder": place(fresh, "hang")}).json()
    waiting = client.post("/v1/jobs", json={"folder": "clips/a"}).json()
    client.post(f"/v1/jobs/{waiting['job_id']}/cancel")
    client.post(f"/v1/jobs/{hanging['job_id']}/cancel")
    last = client.post("/v1/jobs", json={"folder": "clips/a"}).json()
    assert ended(client, last["job_id"])["state"] == "done"
    assert client.get(f"/v1/jobs/{waiting['job_id']}").json()["attempt"] == 0


def test_stopping_the_server_leaves_jobs_to_be_retried(fresh: Library) -> None:
    with TestClient(fresh.app(command=STUB), base_url="http://localhost") as client:
        job = client.post("/v1/jobs", json={"folder": place(fresh, "hang")}).json()
    with TestClient(fresh.app(command=STUB), base_url="http://localhost") as client:
        assert client.get(f"/v1/jobs/{job['job_id']}").json()["state"] == "interrupted"
        assert client.post(f"/v1/jobs/{job['job_id']}/retry").json()["state"] == "queued"


def test_asking_twice_with_a_key(client: TestClient) -> None:
    headers = {"idempotency-key": "once"}
    first, second = (
        client.post("/v1/jobs", json={"folder": "clips/a"}, headers=headers).json() for _ in "ab"
    )
    assert first["job_id"] == second["job_id"]
    other = client.post("/v1/jobs", json={"folder": "clips/b"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert len(client.get("/v1/jobs").json()["jobs"]) == 1


@pytest.mark.parametrize(
    "folder", ["..", "clips/../..", "/etc", "clips/../data", "nowhere", "clips/a/red.mp4"]
)
def test_only_folders_below_a_root(client: TestClient, folder: str) -> None:
    answer = client.post("/v1/jobs", json={"folder": folder})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_links_that_lead_outside_are_left_out(client: TestClient, fresh: Library) -> None:
    outside = fresh.folder / "secret.mp4"
    outside.write_bytes(b"x")
    (fresh.folder / "clips/a/link.mp4").symlink_to(outside)
    job = client.post("/v1/jobs", json={"folder": "clips/a"}).json()
    assert job["about"] == "clips/a (1 links that lead outside left out)"
    assert job["listed"] == 1
    (fresh.folder / "clips/links").mkdir()
    (fresh.folder / "clips/links/link.mp4").symlink_to(outside)
    answer = client.post("/v1/jobs", json={"folder": "clips/links"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "outside_roots")


def test_what_cannot_be_asked(client: TestClient) -> None:
    for asked in (
        {},
        {"folder": "clips", "video_ids": ["a"]},
        {"video_ids": []},
        {"path": "/etc"},
        {"url": "http://x"},
    ):
        assert client.post("/v1/jobs", json=asked).status_code == 422
    assert client.post("/v1/jobs", json={"video_ids": ["nobody"]}).json()["error"]["code"] == "no_video"
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel"), ("POST", "/retry")):
        answer = client.request(method, f"/v1/jobs/nobody{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_job")
