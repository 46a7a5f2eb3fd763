"""Searching, listing and looking up; beside a writer too."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.conftest import FINGERPRINT, D, Shelf, brute_force, frames, unit
from tests.store.test_dataset_kill import ROOT, step_of

from vidskim.errors import StoreError
from vidskim.store import cache, reader
from vidskim.store.dataset import Store
from vidskim.store.identity import identify
from vidskim.store.records import Frames, VideoRecord
from vidskim.store.view import BehindError

FOLDERS = [None, "/a", "/b", "/a/deep", "/nowhere"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Videos in the file, in memory and dead; one stands still, and one is there twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "TAIL_ROWS", 30)
        shelf = Shelf(
            Store.create(tmp_path_factory.mktemp("library") / "s", fingerprint=FINGERPRINT, dimensions=D)
        )
        for number in range(8):
            shelf.add(f"/{'ab'[number % 2]}/{number}.mp4", 12, seed=number)
        shelf.store.nearest(unit(1, seed=0)[0])
        dead = shelf.add("/a/0.mp4", 9, seed=50)  # replaced
        shelf.store.remove([dead.id])
        del shelf.truth[dead.id]
        shelf.add("/a/deep/copy.mp4", 12, seed=3)
        yield shelf


def allowed(shelf: Shelf, folder: str | None, ids: frozenset[str] | None) -> dict[str, Frames]:
    paths = {video.id: video.path for video in shelf.store.videos()}
    return {
        video: each
        for video, each in shelf.truth.items()
        if (folder is None or paths[video].startswith(f"{folder}/")) and (ids is None or video in ids)
    }


def test_reads_of_one_answer_are_of_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(Store.create(tmp_path / "s", fingerprint=FINGERPRINT, dimensions=D))
    shelf.add("/a.mp4", 3, seed=0)
    other = Store.open(tmp_path / "s")
    asked = 0
    real = reader.Reader.refresh

    def refresh(self: reader.Reader) -> bool:
        nonlocal asked
        asked += self is shelf.store
        return real(self)

    monkeypatch.setattr(reader.Reader, "refresh", refresh)
    with shelf.store.steady():
        other.remove([video.id for video in other.videos()])
        with shelf.store.steady():
            assert [shelf.store.count().videos for _ in range(5)] == [1] * 5
        assert len(shelf.store.nearest(unit(1, seed=0)[0])) == 3
    assert asked == 1
    assert shelf.store.count().videos == 0


@settings(max_examples=80)
@given(data=st.data())
def test_nearest_is_what_comparing_one_by_one_gives(library: Shelf, data: st.DataObject) -> None:
    folder = data.draw(st.sampled_from(FOLDERS))
    ids = data.draw(st.none() | st.frozensets(st.sampled_from(sorted(library.truth))))
    times = st.floats(-1, 14, allow_nan=False)
    between = data.draw(
        st.none() | st.tuples(times, times).map(sorted).map(tuple).filter(lambda t: t[0] < t[1])
    )
    limit = data.draw(st.integers(1, 120))
    seed = data.draw(st.integers(0, 30))
    query = unit(1, seed=seed)[0]
    hits = library.store.nearest(query, limit=limit, folder=folder, ids=ids, between=between)
    truth = allowed(library, folder, ids)
    expected = brute_force(truth, query, between=between)
    assert hits.how == "exact"
    assert len(hits) == min(limit, len(expected))
    assert np.allclose(hits.scores, [row[0] for row in expected[:limit]], atol=1e-6)
    found = list(zip(hits.videos, hits.positions.tolist(), strict=True))
    assert len(set(found)) == len(found)
    score_of = {row[1:]: row[0] for row in expected}
    assert np.allclose(hits.scores, [score_of[each] for each in found], atol=1e-6)
    keys = [(-score, *each) for score, each in zip(hits.scores.tolist(), found, strict=True)]
    assert keys == sorted(keys)
    for (video, position), start, end in zip(found, hits.start_s, hits.end_s, strict=True):
        assert (start, end) == (truth[video].start_s[position], truth[video].end_s[position])


def test_scores_of_videos_are_their_curves(library: Shelf) -> None:
    query = unit(1, seed=99)[0]
    curves = library.store.scores([*library.truth, "nobody"], query)
    assert curves.keys() == library.truth.keys()
    (one,) = library.truth.keys() - list(library.truth)[1:]
    assert list(library.store.scores(one, query)) == [one]  # one id alone is a list of one
    for video, each in library.truth.items():
        curve = curves[video]
        assert np.allclose(curve.scores, each.vectors @ query, atol=1e-6)
        assert curve.start_s.tolist() == each.start_s.tolist()
        assert curve.end_s.tolist() == each.end_s.tolist()
        assert len(curve) == len(each)


def test_an_unknown_video_is_an_error(library: Shelf) -> None:
    message = "no video 'nobody' among the 8 stored; `vidskim store list` shows ids"
    with pytest.raises(StoreError, match=message):
        library.store.frames("nobody")
    with pytest.raises(StoreError, match=message):
        library.store.nearest(unit(1, seed=0)[0], ids=["nobody"])
    with pytest.raises(StoreError, match="expected a query of length 1, received length 2"):
        library.store.nearest(unit(1, seed=0)[0] * 2)


def test_videos_are_listed_by_path_and_filtered(library: Shelf) -> None:
    paths = [video.path for video in library.store.videos()]
    assert paths == sorted(paths)
    assert len(paths) == 8
    assert [video.path for video in library.store.videos(folder="/a/deep")] == ["/a/deep/copy.mp4"]
    one = library.store.videos()[2]
    assert library.store.videos(ids=[one.id]) == [one]


def test_an_empty_store_answers_nothing(shelf: Shelf) -> None:
    assert len(shelf.store.nearest(unit(1, seed=0)[0])) == 0
    assert shelf.store.videos() == []
    assert (shelf.store.count().videos, shelf.store.count().frames) == (0, 0)
    assert shelf.store.bytes_on_disk() > 0


def test_files_are_new_unchanged_changed_or_moved(shelf: Shelf, tmp_path: Path) -> None:
    path = tmp_path / "clips" / "a.mp4"
    path.parent.mkdir()
    path.write_bytes(b"one")
    identity = identify(path)
    assert shelf.store.state_of(path, identity).kind == "new"
    each = frames(2, seed=0)
    video = shelf.store.add(
        VideoRecord(path=str(path), identity=identity, duration_s=2.0),
        vectors=each.vectors,
        start_s=each.start_s,
        end_s=each.end_s,
        kinds=each.kinds,
        fingerprint=FINGERPRINT,
    )
    state = shelf.store.state_of(path, identity)
    assert (state.kind, state.video) == ("unchanged", video)

    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"one")
    assert shelf.store.state_of(copy, identify(copy)).kind == "new"  # the first is still there
    path.unlink()
    state = shelf.store.state_of(copy, identify(copy))
    assert (state.kind, state.video) == ("moved", video)
    shelf.store.move(video.id, copy, identity=identify(copy))
    assert shelf.store.state_of(copy, identify(copy)).kind == "unchanged"

    copy.write_bytes(b"two")
    state = shelf.store.state_of(copy, identify(copy))
    assert (state.kind, state.video and state.video.id) == ("changed", video.id)


def test_a_reader_sees_what_a_writer_finished(shelf: Shelf) -> None:
    other = Store.open(shelf.store.uri)
    assert other.count().videos == 0
    shelf.add("/v/a.mp4", 3, seed=0)
    assert other.refresh()
    assert not other.refresh()
    shelf.check(other)
    shelf.add("/v/b.mp4", 3, seed=1)
    shelf.check(other)  # without being asked to refresh


def test_an_object_store_is_asked_for_news_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"file-object-store://{tmp_path}/store"
    shelf = Shelf(Store.create(uri, fingerprint=FINGERPRINT, dimensions=D))
    other = Store.open(uri)
    assert other.count().videos == 0
    shelf.add("/v/a.mp4", 3, seed=0)
    assert other.count().videos == 0
    other.refresh()
    shelf.check(other)
    shelf.add("/v/b.mp4", 3, seed=1)
    monkeypatch.setattr(reader, "OBJECT_STORE_FRESH_S", 0.0)
    shelf.check(other)


def test_reading_starts_over_when_a_writer_was_faster(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)
    late = Store.open(shelf.store.uri)
    view = late._fresh()
    shelf.add("/v/a.mp4", 4, seed=1)
    shelf.store.compact()  # the version that is being read is gone
    fresh = late._fresh
    answers = iter([lambda: view])
    monkeypatch.setattr(late, "_fresh", lambda: next(answers, fresh)())
    hits = late.nearest(unit(1, seed=1)[0], limit=1)
    assert hits.videos == tuple(shelf.truth)


def test_reading_does_not_start_over_for_ever(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.add("/v/a.mp4", 3, seed=0)

    def behind(*_: object) -> None:
        raise BehindError("frames are missing")

    monkeypatch.setattr(cache, "fetch", behind)
    with pytest.raises(
        StoreError, match="is damaged, or changes faster than it can be read: frames are missing; try"
    ):
        shelf.store.nearest(unit(1, seed=0)[0])


def test_threads_can_search_while_one_writes(shelf: Shelf) -> None:
    shelf.add("/v/first.mp4", 5, seed=0)
    query, stop, trouble = shelf.truth[shelf.store.videos()[0].id].vectors[3], threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                hits = shelf.store.nearest(query, limit=1)
                assert hits.positions.tolist() == [3]
            except BaseException as error:
                trouble.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(10):
        shelf.add(f"/v/{number % 3}.mp4", 5, seed=number + 1)
        if number % 4 == 3:
            shelf.store.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert trouble == []
    shelf.check()


def whole(store: Store) -> frozenset[tuple[str, int]]:
    """(video, number of frames) of one search over everything: each video's frames from the first to the last."""
    hits = store.nearest(unit(1, seed=0)[0], limit=10_000)
    positions: dict[str, list[int]] = {}
    for video, position in zip(hits.videos, hits.positions.tolist(), strict=True):
        positions.setdefault(video, []).append(position)
    assert all(sorted(found) == list(range(len(found))) for found in positions.values())
    return frozenset((video, len(found)) for video, found in positions.items())


@contextmanager
def suppress_removed(video: str) -> Iterator[None]:
    """A video may be removed between listing and reading it."""
    try:
        yield
    except StoreError as error:
        if f"no video {video!r}" not in str(error):
            raise


def test_a_reader_beside_a_writing_process_sees_whole_videos_only(shelf: Shelf) -> None:
    other = Store.open(shelf.store.uri)
    seen = set()
    command = [sys.executable, "-m", "tests.store.writer", shelf.store.uri, "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            seen.add(whole(other))
            for video in other.videos():
                with suppress_removed(video.id):
                    step_of(other.frames(video.id))
            if line.strip() == "40":
                writer.kill()
                break
    assert len(seen) >= 10
