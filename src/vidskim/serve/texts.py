"""Text towers: what the engine needs of one, and the one for vectors of segments and whole videos."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from vidskim.errors import VidskimError
from vidskim.serve.refusal import RefusedError
from vidskim.store.levels import no_levels
from vidskim.store.reader import Reader
from vidskim.store.records import Vectors


class Texts(Protocol):
    """What the engine needs of a text encoder."""

    @property
    def min_score(self) -> float | None: ...
    def encode_text(self, texts: Sequence[str]) -> Tensor: ...
    def count_tokens(self, texts: Sequence[str]) -> int: ...


class LevelTexts:
    """The tower whose vectors compare with those of a store's segments and whole videos; safe to use from threads.

    A store may be given such vectors, or those of another model, while it is served: the tower is loaded when it is
    first needed, and again when they are of another fingerprint.
    """

    def __init__(self, store: Reader, load: Callable[[], Texts]) -> None:
        self._store, self._load = store, load
        self._lock = threading.Lock()
        self._loaded: tuple[str, Texts] | None = None

    def encode(self, texts: Sequence[str]) -> list[Vectors]:
        """Vectors of sentences, each float32 [d].

        Raises:
            RefusedError: the store keeps no such vectors, or the tower that fits them cannot be had or is broken.
        """
        if self._store.levels is None:
            raise RefusedError("no_levels", str(no_levels("STORE")))
        try:
            tower = self.tower()
        except VidskimError as error:
            raise RefusedError("conflict", str(error)) from error
        return list(tower.encode_text(list(texts)).numpy())

    def tower(self) -> Texts:
        """For the vectors that the store keeps now.

        Raises:
            StoreError: it keeps none.
            VidskimError: what loading it raises.
        """
        if (levels := self._store.levels) is None:
            raise no_levels(self._store.uri)
        digest = levels.about.fingerprint.digest
        with self._lock:
            if self._loaded is None or self._loaded[0] != digest:
                self._loaded = digest, self._load()
            return self._loaded[1]
