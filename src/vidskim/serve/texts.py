"""Text towers: what the engine needs of one, and the one for vectors of segments and whole videos."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from vidskim.errors import VidskimError
from vidskim.serve.refusal import RefusedError
from vidskim.store.levels import no_levels
from vidskim.store.reader import Reader
from vidskim.store.records import Vectors

AGAIN_S = 30.0  # a tower that could not be loaded is tried again after this


class Texts(Protocol):
    """What the engine needs of a text encoder."""

    @property
    def min_score(self) -> float | None: ...
    def encode_text(self, texts: Sequence[str]) -> Tensor: ...
    def count_tokens(self, texts: Sequence[str]) -> int: ...


@dataclass(frozen=True, eq=False)
class LevelText:
    """A sentence as segments and whole videos see it.

    Args:
        vector: float32 [d], unit length.
        digest: fingerprint of the vectors that it compares with.
    """

    vector: Vectors
    digest: str


class LevelTexts:
    """The tower whose vectors compare with those of a store's segments and whole videos; safe to use from threads.

    A store may be given such vectors, or those of another model, while it is served: the tower is loaded when it is
    first needed, and again when they are of another fingerprint. One that cannot be had is left alone for a while.
    """

    def __init__(self, store: Reader, load: Callable[[], Texts]) -> None:
        self._store, self._load = store, load
        self._lock = threading.Lock()
        self._loaded: tuple[str, Texts] | None = None
        self._failed: tuple[str, VidskimError] | None = None
        self._failed_at = 0.0

    def encode(self, texts: Sequence[str]) -> list[LevelText]:
        """Sentences in order.

        Raises:
            RefusedError: the store keeps no such vectors, or the tower that fits them cannot be had or is broken.
        """
        if self._store.levels is None:
            raise RefusedError("no_levels", str(no_levels("STORE")))
        try:
            digest, tower = self.tower()
        except VidskimError as error:
            raise RefusedError("conflict", str(error)) from error
        return [LevelText(vector, digest) for vector in tower.encode_text(list(texts)).numpy()]

    def tower(self) -> tuple[str, Texts]:
        """For the vectors that the store keeps now; with their digest.

        Raises:
            StoreError: it keeps none.
            VidskimError: what loading it raises.
        """
        if (levels := self._store.levels) is None:
            raise no_levels(self._store.uri)
        digest = levels.about.fingerprint.digest
        with self._lock:
            if self._loaded is None or self._loaded[0] != digest:
                self._loaded = digest, self._load_for(digest)
            return self._loaded

    def _load_for(self, digest: str) -> Texts:
        """Loading and testing takes seconds: a failure is remembered, so that requests do not queue for it."""
        is_fresh = time.monotonic() < self._failed_at + AGAIN_S
        if self._failed is not None and self._failed[0] == digest and is_fresh:
            raise self._failed[1].with_traceback(None)
        try:
            return self._load()
        except VidskimError as error:
            self._failed, self._failed_at = (digest, error), time.monotonic()
            raise
