"""Retrieval between sentences and videos: methods side by side on the same frames, and chance beside them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidskim.disk import locked
from vidskim.errors import VideoError, VidskimError
from vidskim.evaluate.contenders import Contender, count_frames
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.ranking import RetrievalScores, score_retrieval, similarities
from vidskim.evaluate.vectors import VectorFolder, VideoVector
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.retrieval import RetrievalEncoder
from vidskim.store.identity import identify
from vidskim.video.prepare import prepare_frames
from vidskim.video.spread import read_spread

TIES = "items of one score share their places: R@k and ranks are means over all orders of them"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One contender.

    Args:
        name: as the contender's.
        adapter: as the contender's.
        method: its name.
        settings: of the method.
        fingerprint: digest of model, weights, preparation, method and settings.
        text_to_video: each text a query.
        video_to_text: each video a query.
        macs: multiply-accumulates of a video, the mean.
        seconds: of a video in the model, alone, the mean; reading and preparing it apart.
        words: most tokens of a text; longer ones are cut.
    """

    name: str
    adapter: str
    method: str
    settings: Mapping[str, object]
    fingerprint: str
    text_to_video: RetrievalScores
    video_to_text: RetrievalScores
    macs: float
    seconds: float
    words: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), **_both_ways(self.text_to_video, self.video_to_text)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Contenders side by side, on the same frames of the same videos.

    Args:
        scores: of the contenders, in the order they were given.
        chance: text to video and video to text of a model that gives every pair one score.
        videos: how many counted.
        texts: how many counted.
        frames: of each video.
        reused: vectors that were there from an earlier run; their times are of that run.
        missing: videos that are not there, as listed; neither they nor their texts count.
        failed: videos that cannot be read and why; neither they nor their texts count.
    """

    scores: Sequence[Score]
    chance: tuple[RetrievalScores, RetrievalScores]
    videos: int
    texts: int
    frames: int
    reused: int
    missing: Sequence[str]
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        own = {name: getattr(self, name) for name in ("videos", "texts", "frames", "reused")}
        return {
            **own,
            "ties": TIES,
            "scores": [score.to_json() for score in self.scores],
            "chance": _both_ways(*self.chance),
            "missing": list(self.missing),
            "failed": dict(self.failed),
        }


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Sent after each video; `reused` are vectors that were there."""

    done: int
    listed: int
    failed: int
    reused: int


def evaluate_retrieval(
    contenders: Sequence[Contender],
    videos: CaptionedVideos,
    folder: Path,
    *,
    frames: int | None = None,
    out: Path | None = None,
    on_video: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Every contender on the same frames of every video; each video is read once.

    Args:
        contenders: of one preparation, as `line_up` gives them.
        videos: with their texts.
        folder: where the files are, at any depth.
        frames: of a video; None takes what the plans say, or 12.
        out: folder that keeps each video's vectors: what is there is not encoded again, whatever the texts are.
        on_video: told how far it has come.

    Raises:
        SettingsError: no contenders, contenders of different frames or preparations, or no video is in the folder.
        CheckpointError: a model has no text tower, or no tokenizer.
        BusyError: another evaluation writes to the folder.
        VidskimError: not one video could be read.
    """
    count = count_frames(contenders, frames)
    for contender in contenders:
        contender.model.encode_text(
            videos.texts[:1]
        )  # what has no text tower is refused before a video is read
    there, paths, missing = videos.locate(folder)
    with nullcontext() if out is None else locked(out):
        run = _Run(contenders, count, there.end_s, VectorFolder(out))
        for done, (name, path) in enumerate(zip(there.videos, paths, strict=True), start=1):
            run.add(name, path)
            on_video(Progress(done=done, listed=len(there), failed=len(run.failed), reused=run.reused))
    if not run.rows[0]:
        raise VidskimError(
            f"none of {len(there)} videos could be read, such as {next(iter(run.failed.values()))}"
        )
    kept = there.part([place for place, name in enumerate(there.videos) if name not in run.failed])
    return Report(
        scores=_scores(contenders, run.rows, kept),
        chance=score_retrieval(np.zeros((len(kept.texts), len(kept))), kept.owners),
        videos=len(kept),
        texts=len(kept.texts),
        frames=count,
        reused=run.reused,
        missing=missing,
        failed=run.failed,
    )


class _Run:
    """Videos on their way through the contenders; `rows` are their vectors, contender by contender."""

    def __init__(
        self, contenders: Sequence[Contender], frames: int, length_s: float | None, vectors: VectorFolder
    ) -> None:
        self.contenders, self.frames, self.length_s, self.vectors = contenders, frames, length_s, vectors
        self.rows: list[list[VideoVector]] = [[] for _ in contenders]
        self.failed: dict[str, str] = {}
        self.reused = 0
        self.warm = False

    def add(self, name: str, path: Path) -> None:
        """One video; if it cannot be read it is noted, and does not count."""
        try:
            content = identify(path).head_tail_hash
        except OSError as error:
            self.failed[name] = f"{path}: {error.strerror or error}"
            return
        try:
            found = self._vectors(path, content)
        except VideoError as error:
            self.failed[name] = str(error)
            return
        for row, vector in zip(self.rows, found, strict=True):
            row.append(vector)

    def _vectors(self, path: Path, content: str) -> list[VideoVector]:
        """A video's vectors; another contender is first each time, so that none gets the warm cache always."""
        keys = [self._key(contender.model, content) for contender in self.contenders]
        kept = {place: self.vectors.find(key) for place, key in enumerate(keys)}
        found = {place: vector for place, vector in kept.items() if vector is not None}
        self.reused += len(found)
        if len(found) < len(keys):
            pixels = self._read(path)
            turn = len(self.rows[0])
            for place in (number % len(keys) for number in range(turn, turn + len(keys))):
                if place not in found:
                    found[place] = self.contenders[place].encode(pixels)
                    self.vectors.keep(keys[place], found[place])
        return [found[place] for place in range(len(keys))]

    def _read(self, path: Path) -> Tensor:
        """A video's prepared frames; what only first calls cost is spent on the first."""
        preparation = self.contenders[0].model.preparation
        clip = read_spread(path, self.frames, length_s=self.length_s, short_side=preparation.reading_side)
        pixels = prepare_frames(clip.frames, preparation)
        if not self.warm:
            for contender in self.contenders:
                contender.encode(pixels)
            self.warm = True
        return pixels

    def _key(self, model: VideoEncoder | RetrievalEncoder, content: str) -> str:
        """What a vector depends on."""
        parts = (
            content,
            model.fingerprint.digest,
            model.dtype,
            model.device.type,
            self.frames,
            self.length_s,
        )
        return " ".join(map(str, parts))


def _scores(
    contenders: Sequence[Contender], rows: Sequence[Sequence[VideoVector]], videos: CaptionedVideos
) -> list[Score]:
    """Each text is encoded once for each set of weights."""
    texts: dict[str, Tensor] = {}
    place = {text: number for number, text in enumerate(dict.fromkeys(videos.texts))}
    rows_of = [place[text] for text in videos.texts]
    scores = []
    for contender, row in zip(contenders, rows, strict=True):
        made = contender.model.fingerprint
        if made.weights not in texts:
            texts[made.weights] = contender.model.encode_text(list(place))[rows_of]
        similarity = similarities(texts[made.weights], torch.stack([video.vector for video in row]))
        to_video, to_text = score_retrieval(similarity, videos.owners)
        scores.append(
            Score(
                name=contender.name,
                adapter=contender.adapter,
                method=made.method,
                settings=made.settings,
                fingerprint=made.digest,
                text_to_video=to_video,
                video_to_text=to_text,
                macs=fmean(video.macs for video in row),
                seconds=fmean(video.seconds for video in row),
                words=contender.model.texts.context,
            )
        )
    return scores


def _both_ways(to_video: RetrievalScores, to_text: RetrievalScores) -> dict[str, Any]:
    return {"text_to_video": to_video.to_json(), "video_to_text": to_text.to_json()}
