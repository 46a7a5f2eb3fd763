"""The text tower of levels: loaded when it is needed, again when it is another one."""

from collections.abc import Sequence
from typing import Any

import pytest
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.fingerprint import Fingerprint
from vidskim.serve.refusal import RefusedError
from vidskim.serve.texts import LevelTexts

Library = Any  # see conftest


class Loads:
    """Counts, and fails as it is told to."""

    def __init__(self, library: Library) -> None:
        self.library, self.count = library, 0
        self.error: Exception | None = None

    def __call__(self) -> Any:
        self.count += 1
        if self.error is not None:
            raise self.error
        return self.library.level_texts


def encode(texts: LevelTexts, asked: Sequence[str]) -> list[list[float]]:
    return [text.vector.tolist() for text in texts.encode(asked)]


def test_it_is_loaded_for_the_vectors_that_are_there(fresh: Library) -> None:
    loads = Loads(fresh)
    texts = LevelTexts(fresh.store, loads)
    with pytest.raises(
        RefusedError, match=r"^STORE holds no vectors of segments and whole videos; .*--retrieval"
    ):
        texts.encode(["red"])
    assert loads.count == 0
    fresh.layer()
    expected: Tensor = fresh.texts.encode_text(["red", "blue"])
    assert encode(texts, ["red", "blue"]) == expected.tolist()
    assert encode(texts, ["blue"]) == expected[1:].tolist()
    assert loads.count == 1
    fresh.store.keep_levels(
        fingerprint=Fingerprint("other", "2" * 64, {}, "tempme"), dimensions=8, overwrite=True
    )
    texts.encode(["red"])
    assert loads.count == 2


def test_one_that_is_not_to_be_had_is_tried_again_after_a_while(
    fresh: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.layer()
    loads = Loads(fresh)
    loads.error = CheckpointError("no model at there")
    texts = LevelTexts(fresh.store, loads)
    for _ in range(3):
        with pytest.raises(RefusedError, match="no model at there") as refused:
            texts.encode(["red"])
        assert refused.value.code == "conflict"
    assert loads.count == 1
    monkeypatch.setattr("vidskim.serve.texts.AGAIN_S", 0.0)
    loads.error = None
    assert len(texts.encode(["red"])) == 1


def test_a_failure_is_of_one_fingerprint(fresh: Library) -> None:
    fresh.layer()
    loads = Loads(fresh)
    loads.error = CheckpointError("no model at there")
    texts = LevelTexts(fresh.store, loads)
    with pytest.raises(RefusedError):
        texts.encode(["red"])
    loads.error, other = None, Fingerprint("other", "2" * 64, {}, "tempme")
    fresh.store.keep_levels(fingerprint=other, dimensions=8, overwrite=True)
    assert [text.digest for text in texts.encode(["red"])] == [other.digest]
