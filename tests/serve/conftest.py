"""A server around a small store with made-up vectors and real video files, in this process."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from starlette.testclient import TestClient
from torch import Tensor

from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.serve.app import create_app
from vidskim.serve.engine import Engine
from vidskim.serve.roots import Roots
from vidskim.store.dataset import Store
from vidskim.store.identity import identify
from vidskim.store.records import LevelVectors, StoredVideo, VideoRecord
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.clip import Clip
from vidskim.video.write import write_video

D = 8
FINGERPRINT = Fingerprint("stub", "0" * 64, {"size": 32}, "full")
LOCAL = "http://127.0.0.1:8000"
RETRIEVAL = Fingerprint("stub", "1" * 64, {"size": 32}, "tempme", {"segment_s": 1.0})
CODE = {"red": 0, "green": 1, "blue": 2}  # what a word is, and which number of a vector it raises


@dataclass
class StubTexts:
    """Known words point along an axis, others anywhere; counts its calls."""

    min_score: float | None = 0.5
    calls: list[list[str]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Unit vectors [n, D]."""
        self.before()
        self.calls.append(list(texts))
        return torch.stack([torch.from_numpy(word_vector(text)) for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> int:
        """A token for each letter."""
        return sum(map(len, texts))


class StubEncoder:
    """A picture is what colour it has most of."""

    fingerprint = FINGERPRINT

    def encode(self, clip: Clip) -> Features:
        """Unit vectors [t, D]."""
        strongest = clip.frames.mean(axis=(1, 2)).argmax(axis=1)
        vectors = torch.eye(D)[torch.from_numpy(strongest)]
        return Features(vectors, clip.times_s, np.array(["I"] * len(clip)), 0, FINGERPRINT)


def word_vector(text: str) -> np.ndarray:
    """float32 [D], unit length."""
    if text in CODE:
        return np.eye(D, dtype=np.float32)[CODE[text]]
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    vector = np.random.default_rng(seed).standard_normal(D).astype(np.float32)
    return vector / np.linalg.norm(vector)


@dataclass
class Library:
    """What is served: clips/a/red.mp4, clips/b/green.mp4, clips/b/blue.mp4; each shows its colour from 1 to 2 s."""

    folder: Path
    store: Store
    videos: dict[str, StoredVideo]
    texts: StubTexts
    level_texts: StubTexts = field(default_factory=StubTexts)

    def engine(self, **parts: Any) -> Engine:
        """With stubs for what is not given."""
        roots = Roots([self.folder / "clips", self.data / "uploads"])
        given = {
            "roots": roots,
            "texts": self.texts,
            "load_level_texts": lambda: self.level_texts,
            "load_encoder": StubEncoder,
            **parts,
        }
        return Engine(self.store, **given)

    @property
    def data(self) -> Path:
        """Of the server."""
        return self.folder / "data"

    def app(self, *, engine: Engine | None = None, **options: Any) -> FastAPI:
        """The app, not started."""
        return create_app(engine or self.engine(), data=self.data, **options)

    def layer(self) -> None:
        """Vectors of segments and whole videos, which look like the next colour: blue.mp4 like red."""
        self.store.keep_levels(fingerprint=RETRIEVAL, dimensions=D)
        for axis, name in enumerate(CODE):
            self.videos[name] = self.add(Path(self.videos[name].path), axis=axis, looks=(axis + 1) % 3)

    def add(self, path: Path, *, axis: int, name: str = "", looks: int | None = None) -> StoredVideo:
        """A file under a path, four frames of half a second; the last two, as the last of two segments, show it."""
        levels = None
        if looks is not None:
            segments = np.eye(D, dtype=np.float32)[[7, looks]]
            whole = (segments[0] + 2 * segments[1]) / np.float32(5**0.5)
            levels = LevelVectors(segments, np.arange(2.0), np.arange(1.0, 3.0), whole, RETRIEVAL)
        vectors = np.full((4, D), 0.1, np.float32)
        vectors[:, 7] = 1
        vectors[:2, axis] = 0.2
        vectors[2:, axis] = 3
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        starts = np.arange(4) / 2
        return self.store.add(
            VideoRecord(path=str(path), identity=identify(path), duration_s=2.0, fps=2.0, name=name),
            vectors=vectors,
            start_s=starts,
            end_s=starts + 0.5,
            kinds=["I"] * 4,
            fingerprint=FINGERPRINT,
            levels=levels,
        )


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real MP4 of two seconds."""
    path = tmp_path_factory.mktemp("footage") / "clip.mp4"
    frames = render_video(draw_script("test", seed=0, number=0), fps=8.0, height=48, width=64)
    write_video(path, islice(frames, 16), 8.0)
    return path


@pytest.fixture(scope="session")
def library(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    """One for all tests that leave it as it is."""
    with pytest.MonkeyPatch.context() as patch:
        yield make_library(tmp_path_factory.mktemp("library"), footage, patch)


@pytest.fixture
def fresh(tmp_path: Path, footage: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """One of its own, for a test that changes it."""
    return make_library(tmp_path, footage, monkeypatch)


@pytest.fixture(scope="session")
def client(library: Library) -> Iterator[TestClient]:
    """A client on this machine of `library`."""
    with TestClient(library.app(), base_url=LOCAL) as client:
        yield client


@pytest.fixture
def fresh_client(fresh: Library) -> Iterator[TestClient]:
    """A client on this machine of `fresh`."""
    with TestClient(fresh.app(), base_url=LOCAL) as client:
        yield client


def make_library(folder: Path, footage: Path, patch: pytest.MonkeyPatch) -> Library:
    """Three files and a store of made-up vectors for them."""
    patch.setenv("XDG_CACHE_HOME", str(folder / "user-cache"))
    store = Store.create(folder / "store", fingerprint=FINGERPRINT, dimensions=D, origin={"source": "stub"})
    library = Library(folder, store, {}, StubTexts())
    (library.data / "uploads").mkdir(parents=True)
    for place, axis in (("a/red", 0), ("b/green", 1), ("b/blue", 2)):
        path = folder / "clips" / f"{place}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(footage.read_bytes() + b"\0" * axis)
        library.videos[path.stem] = library.add(path, axis=axis)
    return library
