"""Another extractor for a store: nothing that it held is lost, also if that is killed."""

import json
from pathlib import Path

import pytest
import torch

from vidskim.errors import FingerprintError, StoreError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline import renewal
from vidskim.pipeline.renewal import Renewal, add_waiting, find_renewal, finish_renewal, open_or_renew
from vidskim.store.dataset import Store
from vidskim.store.identity import Identity
from vidskim.store.records import VideoRecord

FULL = Fingerprint("vit", "0", {}, "full")
REUSE = Fingerprint("vit", "0", {}, "reuse")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two videos, one of which is gone."""
    (tmp_path / "there.mp4").write_bytes(b"")
    store = Store.create(tmp_path / "store", fingerprint=FULL, dimensions=2)
    for name in ("there", "gone"):
        add(store, name, tmp_path, FULL)
    return tmp_path


def add(store: Store, name: str, folder: Path, fingerprint: Fingerprint) -> None:
    store.add(
        VideoRecord(path=str(folder / f"{name}.mp4"), identity=Identity(0, 0, name), duration_s=1.0),
        vectors=torch.tensor([[0.6, 0.8]]),
        start_s=[0.0],
        end_s=[1.0],
        kinds=["I"],
        fingerprint=fingerprint,
    )


def renew(
    folder: Path, fingerprint: Fingerprint, *, renew: bool, told: list[Renewal] | None = None
) -> tuple[Store, Renewal | None]:
    return open_or_renew(
        folder / "store",
        fingerprint=fingerprint,
        dimensions=2,
        origin={"source": "demo"},
        renew=renew,
        on_renewal=(told if told is not None else []).append,
    )


def test_the_same_extractor_finds_the_store_as_it_is(folder: Path) -> None:
    store, found = renew(folder, FULL, renew=True)
    assert (store.count().videos, found) == (2, None)


def test_a_new_store_remembers_its_origin(tmp_path: Path) -> None:
    store, found = renew(tmp_path, FULL, renew=False)
    assert (store.about.origin, found) == ({"source": "demo"}, None)
    assert Store.open(tmp_path / "store").about.origin == {"source": "demo"}


def test_another_extractor_is_refused_unless_asked_for(folder: Path) -> None:
    with pytest.raises(FingerprintError, match="method: full -> reuse"):
        renew(folder, REUSE, renew=False)
    assert Store.open(folder / "store").count().videos == 2
    assert find_renewal(folder / "store") is None


def test_what_it_held_is_told_first_and_given_back(folder: Path) -> None:
    told: list[Renewal] = []
    store, found = renew(folder, REUSE, renew=True, told=told)
    there, gone = str(folder / "there.mp4"), str(folder / "gone.mp4")
    expected = Renewal((there,), (gone,), dropped=(gone,))
    assert told == [expected]
    assert found == expected
    assert (store.count().videos, store.about.fingerprint) == (0, REUSE)


def test_what_is_not_in_the_store_afterwards_stays_on_the_list(folder: Path) -> None:
    store, found = renew(folder, REUSE, renew=True)
    assert found is not None
    there, gone = str(folder / "there.mp4"), str(folder / "gone.mp4")
    assert finish_renewal(found, store) == (there, gone)  # one failed, one is missing
    add(store, "there", folder, REUSE)
    _, found = renew(folder, REUSE, renew=False)
    assert found == Renewal((there,), (gone,), stage="left")
    assert finish_renewal(found, store) == (gone,)
    Path(gone).write_bytes(b"")  # the disk is back
    _, found = renew(folder, REUSE, renew=False)
    assert found == Renewal((gone,), stage="left")
    add(store, "gone", folder, REUSE)
    assert finish_renewal(found, store) == ()
    assert renew(folder, REUSE, renew=False)[1] is None


def test_a_no_before_anything_is_changed_leaves_the_store_as_it_is(folder: Path) -> None:
    def refuse(renewal: Renewal) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_or_renew(
            folder / "store", fingerprint=REUSE, dimensions=2, origin={}, renew=True, on_renewal=refuse
        )
    assert Store.open(folder / "store").count().videos == 2
    assert find_renewal(folder / "store") is None


def test_a_kill_before_or_after_the_emptying_loses_no_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> Store:
        raise KeyboardInterrupt

    monkeypatch.setattr(renewal.Store, "create", killed)
    with pytest.raises(KeyboardInterrupt):
        renew(folder, REUSE, renew=True)
    monkeypatch.undo()
    assert Store.open(folder / "store").count().videos == 2
    _, found = renew(folder, REUSE, renew=True)  # the store is emptied now
    assert found is not None
    _, found = renew(folder, REUSE, renew=False)
    there, gone = str(folder / "there.mp4"), str(folder / "gone.mp4")
    assert found == Renewal((there,), (gone,), stage="interrupted")
    _, found = renew(folder, FULL, renew=True)  # and a third time, before it was filled again
    assert found is not None
    assert (found.waiting, found.missing, found.dropped) == ((there,), (gone,), ())


def test_each_video_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    waiting = [str(tmp_path / "a.mp4"), str(tmp_path / "b.mp4")]
    assert add_waiting([Path("b.mp4"), Path("c.mp4")], waiting) == [
        Path("b.mp4"),
        Path("c.mp4"),
        tmp_path / "a.mp4",
    ]


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"waiting": 1})])
def test_a_damaged_list_stops_with_a_message(folder: Path, text: str) -> None:
    (folder / "store" / "waiting.json").write_text(text)
    with pytest.raises(StoreError, match=r"waiting\.json should name videos .* delete it, and index"):
        renew(folder, FULL, renew=False)
