"""What the server answers with: a store, the model whose vectors it holds, and the folders its videos lie in.

Everything here blocks; the app calls it on threads. Parts are passed in, so that tests put their own in place.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidskim.errors import StoreError, VidskimError
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.serve.catalog import Catalog
from vidskim.serve.question import Findings, Question, Terms
from vidskim.serve.refusal import RefusedError
from vidskim.serve.roots import Roots
from vidskim.serve.texts import LevelTexts, Texts
from vidskim.store.reader import Reader
from vidskim.store.records import Vectors
from vidskim.tasks.ground import WINDOW_S, Grounding
from vidskim.tasks.levels import search_segments, search_videos
from vidskim.tasks.search import Found, SearchResult, search, search_each
from vidskim.tasks.stored import ground_stored
from vidskim.tasks.threshold import SENTENCES, Threshold, calibrate_frames, calibrate_sentences
from vidskim.video.clip import Clip, Health

MOMENTS_PER_VIDEO = 5
_logger = logging.getLogger(__name__)


class Engine:
    """Safe to use from several threads."""

    def __init__(
        self,
        store: Reader,
        *,
        roots: Roots,
        texts: Texts | None,
        load_level_texts: Callable[[], Texts],
        load_encoder: Callable[[], VideoEncoder],
        load_classifier: Callable[[], VideoClassifier] | None = None,
        source: str | None = None,
        device: str = "auto",
    ) -> None:
        """Nothing is loaded yet.

        Args:
            store: to be searched.
            roots: whose files may be served.
            texts: the text tower, None if the model has none.
            load_level_texts: the text tower for vectors of segments and whole videos; called if the store has them.
            load_encoder: the store's extractor, for pictures; called once, when the first comes.
            load_classifier: for labels; None if none was named.
            source: where the store's model lies now, None if where it did; for the process that indexes.
            device: where that computes.
        """
        self.store, self.roots, self.texts = store, roots, texts
        self.source, self.device = source, device
        self.level_texts = LevelTexts(store, load_level_texts)
        self.catalog = Catalog(store, roots)
        self._load_encoder, self._load_classifier = load_encoder, load_classifier
        self._encoder: VideoEncoder | None = None
        self._classifier: VideoClassifier | None = None
        self._loading = threading.Lock()
        self._thresholds: dict[str, Threshold | None] = {}
        self._calibrated = -1

    @property
    def model(self) -> str:
        """The model's name: where it was loaded from, or its architecture."""
        return str(self.store.about.origin.get("source") or self.store.about.fingerprint.model)

    def describe(self) -> dict[str, Any]:
        """The index: which model made it, and how much it holds."""
        about, count = self.store.about, self.store.count()
        return {
            "model": self.model,
            "method": about.fingerprint.method,
            "fingerprint": about.fingerprint.digest,
            "dimensions": about.dimensions,
            "videos": count.videos,
            "frames": count.frames,
        }

    def encode_texts(self, texts: Sequence[str]) -> list[Vectors]:
        """Vectors of sentences, each float32 [d].

        Raises:
            RefusedError: the model has no text tower.
        """
        if self.texts is None:
            raise RefusedError(
                "no_text", f"{self.model} has no text tower: search by picture, or index with a CLIP"
            )
        return list(self.texts.encode_text(list(texts)).numpy())

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens of these sentences the text tower reads; 0 without one."""
        return 0 if self.texts is None else self.texts.count_tokens(list(texts))

    def encode_picture(self, pixels: NDArray[np.uint8]) -> Vectors:
        """The vector of one picture, float32 [d].

        Args:
            pixels: uint8 [y, x, 3].
        """
        clip = Clip(np.ascontiguousarray(pixels[None]), np.zeros(1), None, Health("picture"))
        vector: Vectors = self.encoder().encode(clip).vectors[0].numpy()
        return vector

    def encoder(self) -> VideoEncoder:
        """The store's extractor, loaded once.

        Raises:
            RefusedError: it is not where it was, or does not work on this machine.
        """
        with self._loading:
            if self._encoder is None:
                try:
                    self._encoder = self._load_encoder()
                except VidskimError as error:
                    raise RefusedError("conflict", str(error)) from error
            return self._encoder

    def classifier(self) -> VideoClassifier:
        """The classifier, loaded once.

        Raises:
            RefusedError: none was named.
        """
        if self._load_classifier is None:
            raise RefusedError("no_classifier", "start the server with --classifier MODEL to get labels")
        with self._loading:
            if self._classifier is None:
                self._classifier = self._load_classifier()
            return self._classifier

    def file(self, video_id: str) -> Path:
        """Where a video's file is.

        Raises:
            RefusedError: no such video, or its file is gone or lies outside the roots.
        """
        return self.roots.file(self.catalog.find(video_id).video.path)

    def frame_vector(self, video_id: str, at_s: float) -> Vectors:
        """The stored vector of the frame shown at a time, float32 [d].

        Raises:
            RefusedError: no such video.
        """
        self.catalog.find(video_id)
        try:
            frames = self.store.frames(video_id)
        except StoreError as error:
            raise self.catalog.vanished(error, video_id) from error
        row = int(np.searchsorted(frames.start_s, at_s, side="right")) - 1
        vector: Vectors = frames.vectors[min(max(row, 0), len(frames) - 1)]
        return vector

    def video_vector(self, video_id: str) -> Vectors:
        """The mean of a video's stored vectors, made of unit length again, float32 [d]."""
        self.catalog.find(video_id)
        try:
            mean = self.store.frames(video_id).vectors.astype(np.float64).mean(axis=0)
        except StoreError as error:
            raise self.catalog.vanished(error, video_id) from error
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)

    def search_each(self, questions: Sequence[Question]) -> list[Findings | Exception]:
        """Answers in order; those on the same terms go through the store together.

        What goes wrong with a question, or with those that it is answered with, is its answer.
        """
        alike: dict[tuple[Terms, str | None], list[int]] = {}
        for number, question in enumerate(questions):
            alike.setdefault((question.terms, question.digest), []).append(number)
        answers: dict[int, Findings | Exception] = {}
        for (terms, digest), numbers in alike.items():
            try:
                with self.store.steady():
                    self._check_levels(digest)
                    found: Sequence[Findings | Exception] = self._search(
                        terms, [questions[number].vectors for number in numbers]
                    )
            except Exception as error:
                found = [error] * len(numbers)
            answers |= dict(zip(numbers, found, strict=True))
        return [answers[number] for number in range(len(questions))]

    def _check_levels(self, digest: str | None) -> None:
        """Raise RefusedError if the vectors that some questions were made for are no longer there."""
        levels = self.store.levels
        if digest is not None and (levels is None or levels.about.fingerprint.digest != digest):
            raise RefusedError(
                "conflict", "the vectors of segments and whole videos were replaced meanwhile; ask again"
            )

    def _search(self, terms: Terms, asked: Sequence[tuple[Vectors, ...]]) -> list[Findings]:
        results = self._results(terms, asked)
        known, index = self.catalog.entries(), self.describe()
        findings = []
        for vectors, result in zip(asked, results, strict=True):
            entries = {found.video: known[found.video] for found in result.found if found.video in known}
            groups = self._groups(terms, vectors[0], result) if terms.grouped else {}
            findings.append(Findings(result, groups, entries, index))
        return findings

    def _results(self, terms: Terms, asked: Sequence[tuple[Vectors, ...]]) -> Sequence[SearchResult]:
        settings: dict[str, Any] = {"limit": terms.limit, "ids": None, "min_score": terms.min_score}
        if not terms.selection.is_everything:
            settings["ids"] = [entry.video.id for entry in self.catalog.select(terms.selection)]
        if terms.level == "video":
            return [search_videos(self.store, *vectors, **settings) for vectors in asked]
        settings["between"] = terms.between
        if terms.level == "moment":
            return [search_segments(self.store, *vectors, **settings) for vectors in asked]
        settings["per_video"] = 1 if terms.grouped else None
        return search_each(self.store, [vectors[0] for vectors in asked], **settings)

    def _groups(self, terms: Terms, query: Vectors, result: SearchResult) -> dict[str, list[Found]]:
        """The moments of each video in a result, best first."""
        groups: dict[str, list[Found]] = {found.video: [] for found in result.found}
        if groups:
            every = search(
                self.store,
                query,
                limit=MOMENTS_PER_VIDEO * len(groups),
                per_video=MOMENTS_PER_VIDEO,
                ids=groups,
                between=terms.between,
                min_score=terms.min_score,
            )
            for found in every.found:
                groups[found.video].append(found)
        return groups

    def ground(
        self, video_id: str, query: Vectors, *, window_s: float | None = WINDOW_S, factor: float = 1.0
    ) -> Grounding:
        """Where in one video a query is.

        Raises:
            RefusedError: no such video.
        """
        self.catalog.find(video_id)
        try:
            return ground_stored(self.store, video_id, query, window_s=window_s, factor=factor)
        except StoreError as error:
            raise self.catalog.vanished(error, video_id) from error

    def threshold(self, kind: str) -> float | None:
        """The default threshold of searches by "text" or by "picture"; None if nothing tells."""
        known = self.texts.min_score if kind == "text" and self.texts is not None else None
        found = self._thresholds.get(kind)
        return known if known is not None else found.value if found is not None else None

    def calibrate(self) -> None:
        """Read the thresholds off from the store as it is now, if it has changed."""
        version = self.store.version
        if version == self._calibrated:
            return
        thresholds = {"picture": calibrate_frames(self.store)}
        if self.texts is not None and self.texts.min_score is None:
            vectors = self.texts.encode_text(SENTENCES)
            thresholds["text"] = calibrate_sentences(self.store, vectors)
        self._thresholds, self._calibrated = thresholds, version
        _logger.info("thresholds: %s", thresholds)
