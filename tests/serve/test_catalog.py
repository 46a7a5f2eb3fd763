"""Which videos a filter lets pass, and how many are looked at for that."""

from typing import Any

import pytest

from vidskim.serve.catalog import Catalog, Entry, Selection
from vidskim.serve.refusal import RefusedError
from vidskim.serve.roots import Roots

Library = Any  # see conftest


@pytest.fixture
def catalog(library: Library) -> Catalog:
    return Catalog(library.store, Roots([library.folder / "clips"]))


def places(entries: list[Entry]) -> list[str]:
    return [entry.place for entry in entries]


def test_entries_come_in_order_of_place(catalog: Catalog, library: Library) -> None:
    ids = frozenset(library.videos[name].id for name in ("green", "blue"))
    assert places(catalog.select(Selection())) == ["clips/a/red.mp4", "clips/b/blue.mp4", "clips/b/green.mp4"]
    assert places(catalog.select(Selection(ids=ids))) == ["clips/b/blue.mp4", "clips/b/green.mp4"]
    assert places(catalog.select(Selection(ids=ids, name="GREEN"))) == ["clips/b/green.mp4"]
    assert catalog.select(Selection(ids=frozenset())) == []
    with pytest.raises(RefusedError, match="no video with the id 'nobody'"):
        catalog.select(Selection(ids=ids | {"nobody"}))


def test_named_videos_are_looked_up_and_no_others_looked_at(
    catalog: Catalog, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    passes = Selection.passes

    def counted(self: Selection, entry: Entry) -> bool:
        looked.append(entry.place)
        return passes(self, entry)

    monkeypatch.setattr(Selection, "passes", counted)
    catalog.select(Selection(ids=frozenset([library.videos["red"].id])))
    assert looked == ["clips/a/red.mp4"]
