"""The questions `vidskim demo` asks, and how its answers compare with the truth."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vidskim.cli.demo_page import Picture, Section
from vidskim.evaluate.metrics import interval_iou
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.store.dataset import Store
from vidskim.synth.annotate import Annotation
from vidskim.tasks.search import Found, search
from vidskim.tasks.stored import ground_stored
from vidskim.video.read import read_video

QUERIES = 4  # of each kind
RIGHT_IOU = 0.5
ABSENT = "a photograph of a cat on a sofa"


def search_events(
    store: Store, encoder: VideoEncoder, annotations: Sequence[Annotation]
) -> Iterator[Section]:
    """The first event of each of the first videos, looked for in the whole store; and something that is not there."""
    firsts = {annotation.video: annotation for annotation in reversed(annotations)}
    asked = [firsts[name] for name in sorted(firsts)][:QUERIES]
    for annotation in asked:
        vector = encoder.encode_text([annotation.query])[0]
        found = search(store, vector, limit=4, per_video=1).found
        goods = [_is_event(each, annotation) for each in found]
        place = goods.index(True) + 1 if True in goods else None
        verdict = f"{annotation.video} at {_span(annotation)} " + (
            f"is answer {place} of {len(found)}" if place else f"is not among the first {len(found)}"
        )
        pictures = [
            Picture(
                frame=_frame(each.path, each.best_s),
                caption=f"{each.score:.2f} {each.name} {each.start_s:.1f}-{each.end_s:.1f} s",
                good=True if good else False if number == 0 else None,  # a further answer is no error
            )
            for number, (each, good) in enumerate(zip(found, goods, strict=True))
        ]
        yield Section(query=annotation.query, verdict=verdict, good=place == 1, pictures=pictures)
    result = search(store, encoder.encode_text([ABSENT])[0], limit=1, min_score=encoder.min_score)
    verdict = f"no good match: the best score is {result.best_score:.2f}, below {encoder.min_score:.2f}"
    if result.found:
        verdict = f"found with score {result.best_score:.2f}, although there is nothing of the kind"
    yield Section(query=ABSENT, verdict=verdict, good=not result.found, pictures=[])


def ground_events(
    store: Store, encoder: VideoEncoder, annotations: Sequence[Annotation]
) -> Iterator[Section]:
    """The last event of each of the first videos, looked for in its own video."""
    lasts = {annotation.video: annotation for annotation in annotations}
    videos = {video.name: video for video in store.videos()}
    for name in sorted(lasts)[:QUERIES]:
        annotation, video = lasts[name], videos[name]
        grounding = ground_stored(store, video.id, encoder.encode_text([annotation.query])[0])
        best = grounding.moments[0]
        iou = _iou(best.start_s, best.end_s, annotation)
        verdict = f"{name}: {best.start_s:.1f}-{best.end_s:.1f} s, truly {_span(annotation)}, IoU {iou:.2f}"
        pictures = [
            Picture(
                frame=_frame(video.path, (moment.start_s + moment.end_s) / 2),
                caption=f"{moment.score:.2f} {moment.start_s:.1f}-{moment.end_s:.1f} s",
                good=_iou(moment.start_s, moment.end_s, annotation) > RIGHT_IOU,
            )
            for moment in grounding.moments[:4]
        ]
        yield Section(
            query=annotation.query,
            verdict=verdict,
            good=iou > RIGHT_IOU,
            pictures=pictures,
            grounding=grounding,
            truth=(annotation.start_s, annotation.end_s),
        )


def _is_event(found: Found, annotation: Annotation) -> bool:
    """Whether an answer of a search is the event: the right video, and its best frame shows the event."""
    return found.name == annotation.video and annotation.start_s <= found.best_s < annotation.end_s


def _iou(start_s: float, end_s: float, annotation: Annotation) -> float:
    truth = np.array([[annotation.start_s, annotation.end_s]])
    return float(interval_iou(np.array([[start_s, end_s]]), truth)[0, 0])


def _span(annotation: Annotation) -> str:
    return f"{annotation.start_s:.1f}-{annotation.end_s:.1f} s"


def _frame(path: str, at_s: float) -> NDArray[np.uint8]:
    """The frame shown at a moment, uint8 [y, x, 3]."""
    frame: NDArray[np.uint8] = read_video(path, times_s=[at_s], motion=False).frames[0]
    return frame
