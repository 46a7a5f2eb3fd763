"""Action recognition on labelled videos: how often methods of one classifier are right, and what they spend."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from vidskim.errors import SettingsError, VideoError, VidskimError
from vidskim.evaluate.choices import combine
from vidskim.evaluate.labelled import LabelledVideos
from vidskim.evaluate.ranking import rank_with_ties
from vidskim.methods.clip_registry import clip_method_settings, make_clip_method, settings_by_method
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.video.views import Views

MANY = 5  # labels of which one has to be right, for top5


@dataclass(frozen=True, kw_only=True)
class Score:
    """One method. Shares are 0 to 1.

    Args:
        name: of the method with the settings that tell it from others, such as "sta r=48".
        method: its name.
        settings: of the method.
        top1: share of the videos whose first label is right.
        top5: share of those where one of the first five is.
        agreement: share of those whose first label is the first method's.
        macs: multiply-accumulates of a view, the mean over all views.
        seconds: of a view, in the trunk, the mean over all views, methods in turns.
    """

    name: str
    method: str
    settings: Mapping[str, object]
    top1: float
    top5: float
    agreement: float
    macs: float
    seconds: float


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
    top1: list[float] = field(default_factory=list)
    top5: list[float] = field(default_factory=list)
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
    """A classifier behind several methods, "full" first, none of them twice.

    Args:
        classifier: whose weights they share.
        methods: names; none is every method there is for this kind of classifier.
        settings: values that each method which has the setting is tried with, such as {"r": (32, 48)}.
        seeds: how often "random" is tried, unless `settings` has seeds.

    Raises:
        SettingsError: an unknown method, a setting that none of them has, a value out of range, or one that does not
            suit the model's clips.
    """
    owned = settings_by_method(classifier.family)
    names = [*methods] or [*owned]
    every = {setting for name in names for setting in owned.get(name, ())}
    given: dict[str, Sequence[object]] = {**(settings or {})}
    if "seed" in every:
        given.setdefault("seed", range(seeds))
    side = classifier.preparation.size
    found = [classifier.with_method("full")]
    for name, own in combine(names, given, owned=owned):
        made = classifier.with_method(name, **own)
        made.method.macs(made.trunk.config, (made.frames, side, side))  # refuses what does not suit the clips
        if all(made.fingerprint != other.fingerprint for other in found):
            found.append(made)
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
                _add_in_turns(tallies, prepared, label)
        right = tallies[0].top1
        top1 = fmean(right) if right else None
        on_video(Progress(done=done, listed=len(videos), missing=len(missing), failed=len(failed), top1=top1))
    if not tallies[0].top1:
        raise VidskimError(_nothing_read(missing, failed))
    count = len(tallies[0].top1) * len(chosen)
    return Report(
        scores=[_score(tally, tallies[0], count) for tally in tallies],
        videos=len(tallies[0].top1),
        views=chosen,
        missing=missing,
        failed=failed,
    )


def locate(listed: Path, root: Path | None) -> Path | None:
    """Where a listed video is: where the list has it, else under its file name in `root`; None if nowhere."""
    places = [listed] if root is None else [listed, root / listed.name]
    return next((place for place in places if place.is_file()), None)


def _add_in_turns(tallies: Sequence[_Tally], prepared: Sequence[Any], label: int) -> None:
    """One video, another method first each time; what only first calls cost is spent before the first is timed."""
    turn = len(tallies[0].top1)
    if not turn:
        for tally in tallies:
            tally.classifier.mean_probabilities(prepared[:1])
    for place in range(turn, turn + len(tallies)):
        _add(tallies[place % len(tallies)], prepared, label)


def _add(tally: _Tally, prepared: Sequence[Any], label: int) -> None:
    start = time.perf_counter()
    probabilities, macs, _ = tally.classifier.mean_probabilities(prepared)
    row = probabilities.cpu().numpy()  # waits for the device
    tally.seconds += time.perf_counter() - start
    tally.macs += macs
    rank = rank_with_ties(row[None], [label])
    tally.top1.append(rank.recall(1))
    tally.top5.append(rank.recall(MANY))
    tally.firsts.append(int(row.argmax()))


def _score(tally: _Tally, first: _Tally, views: int) -> Score:
    made = tally.classifier.fingerprint
    usual = clip_method_settings(make_clip_method(made.method, {}, family=tally.classifier.family))
    told = [
        f"{key}={value}"
        for key, value in made.settings.items()
        if key in ("r", "r1", "seed") or value != usual[key]
    ]
    same = [mine == its for mine, its in zip(tally.firsts, first.firsts, strict=True)]
    return Score(
        name=" ".join([made.method, *told]),
        method=made.method,
        settings=made.settings,
        top1=fmean(tally.top1),
        top5=fmean(tally.top5),
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
