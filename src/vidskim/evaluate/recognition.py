"""Action recognition on labelled videos: how often methods of one classifier are right, and what they spend."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vidskim.errors import SettingsError, VideoError, VidskimError
from vidskim.evaluate.labelled import LabelledVideos
from vidskim.evaluate.metrics import rank_of_truth, recall_at_rank
from vidskim.methods.clip_registry import CLIP_METHODS
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.video.views import Views

MANY = 5  # labels of which one has to be right, for top5


@dataclass(frozen=True, kw_only=True)
class Score:
    """One method. Shares are 0 to 1.

    Args:
        method: its name.
        settings: of the method.
        top1: share of the videos whose first label is right.
        top5: share of those where one of the first five is.
        agreement: share of those whose first label is the first method's.
        macs: multiply-accumulates of a view, the mean over all views.
        seconds: of a view, in the trunk, the mean over all views.
    """

    method: str
    settings: Mapping[str, object]
    top1: float
    top5: float
    agreement: float
    macs: float
    seconds: float

    def __str__(self) -> str:
        """The name and the settings that are not the usual ones, such as "sta r=48"."""
        told = [f"{name}={value}" for name, value in self.settings.items() if name in ("r", "r1", "seed")]
        return " ".join([self.method, *told])


@dataclass(frozen=True, kw_only=True)
class Report:
    """Methods side by side, on the same views.

    Args:
        scores: of the methods, in the order they were given.
        videos: how many counted.
        views: of each video.
        missing: videos that are not there, as listed; they do not count.
        failed: videos that cannot be read and why; they do not count.
    """

    scores: Sequence[Score]
    videos: int
    views: Views
    missing: Sequence[str]
    failed: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Sent after each video; `top1` is of the first method so far, None before a video counted."""

    done: int
    listed: int
    missing: int
    failed: int
    top1: float | None


@dataclass
class _Tally:
    """What one method has done so far."""

    classifier: VideoClassifier
    ranks: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    macs: int = 0
    seconds: float = 0.0


def line_up(
    classifier: VideoClassifier,
    methods: Iterable[str] = (),
    *,
    settings: Mapping[str, Sequence[object]] | None = None,
    seeds: int = 1,
) -> list[VideoClassifier]:
    """A classifier behind several methods, "full" first.

    Args:
        classifier: whose weights they share.
        methods: names; none is every method there is for this kind of classifier.
        settings: values that each method but "full" is tried with, such as {"r": (32, 48)}.
        seeds: how often "random" is tried.

    Raises:
        SettingsError: an unknown method or setting, or a value out of range.
    """
    found = [classifier.with_method("full")]
    choices: list[dict[str, object]] = [{}]
    for name, values in (settings or {}).items():
        choices = [{**choice, name: value} for choice in choices for value in values]
    for choice in choices:
        for method in [*methods] or CLIP_METHODS[classifier.family]:
            if method == "random":
                found += [classifier.with_method(method, **choice, seed=seed) for seed in range(seeds)]
            elif method != "full":
                found.append(classifier.with_method(method, **choice))
    return found


def evaluate_recognition(
    classifiers: Sequence[VideoClassifier],
    videos: LabelledVideos,
    *,
    views: str | Views = "one",
    root: Path | None = None,
    on_video: Callable[[Progress], None] = lambda progress: None,
) -> Report:
    """Every method on the same views of every video; each video is read once.

    Args:
        classifiers: one trunk behind several methods, as `line_up` gives them; shares are of the first.
        videos: with labels that are numbers of the classifier's classes.
        views: as in `VideoClassifier.classify`.
        root: folder where a video that is not where the list has it is looked for by its file name.
        on_video: told how far it has come.

    Raises:
        SettingsError: no classifiers, unknown views, or a method does not suit the model's clips.
        VidskimError: not one video could be read.
    """
    if not classifiers:
        raise SettingsError("give one classifier or more, received none")
    chosen = classifiers[0].find_views(views)
    tallies = [_Tally(classifier) for classifier in classifiers]
    missing: list[str] = []
    failed: dict[str, str] = {}
    for done, (listed, label) in enumerate(zip(videos.paths, videos.labels, strict=True), start=1):
        path = locate(listed, root)
        if path is None:
            missing.append(str(listed))
        else:
            try:
                prepared = list(classifiers[0].read_views(path, chosen))
            except VideoError as error:
                failed[str(listed)] = str(error)
            else:
                for tally in tallies:
                    _add(tally, prepared, label)
        ranks = tallies[0].ranks
        top1 = recall_at_rank(ranks, k=1) if ranks else None
        on_video(Progress(done=done, listed=len(videos), missing=len(missing), failed=len(failed), top1=top1))
    if not tallies[0].ranks:
        raise VidskimError(_nothing_read(missing, failed))
    count = len(tallies[0].ranks) * len(chosen)
    return Report(
        scores=[_score(tally, tallies[0], count) for tally in tallies],
        videos=len(tallies[0].ranks),
        views=chosen,
        missing=missing,
        failed=failed,
    )


def locate(listed: Path, root: Path | None) -> Path | None:
    """Where a listed video is: where the list has it, else under its file name in `root`; None if nowhere."""
    places = [listed] if root is None else [listed, root / listed.name]
    return next((place for place in places if place.is_file()), None)


def _add(tally: _Tally, prepared: Sequence[Any], label: int) -> None:
    start = time.perf_counter()
    probabilities, macs, _ = tally.classifier.mean_probabilities(prepared)
    row = probabilities.cpu().numpy()  # waits for the device
    tally.seconds += time.perf_counter() - start
    tally.macs += macs
    tally.ranks.append(int(rank_of_truth(row[None], [label])[0]))
    tally.firsts.append(int(row.argmax()))


def _score(tally: _Tally, first: _Tally, views: int) -> Score:
    made = tally.classifier.fingerprint
    same = [mine == its for mine, its in zip(tally.firsts, first.firsts, strict=True)]
    return Score(
        method=made.method,
        settings=made.settings,
        top1=recall_at_rank(tally.ranks, k=1),
        top5=recall_at_rank(tally.ranks, k=MANY),
        agreement=sum(same) / len(same),
        macs=tally.macs / views,
        seconds=tally.seconds / views,
    )


def _nothing_read(missing: Sequence[str], failed: Mapping[str, str]) -> str:
    if missing:
        return (
            f"none of the {len(missing) + len(failed)} listed videos could be read; {len(missing)} are not there, such "
            f"as {missing[0]}: give their folder as --videos"
        )
    return f"none of the {len(failed)} listed videos could be read, such as {next(iter(failed.values()))}"
