"""Judging signals on the synthetic world: oracles reach what they must, noise stays at chance."""

import numpy as np
import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.world import (
    POOL,
    Signals,
    chance_signals,
    judge,
    look_signals,
    perfect_signals,
)
from vidskim.synth.annotate import Annotation, annotate
from vidskim.synth.draw import draw_script
from vidskim.synth.vocabulary import Look


def world(videos: int) -> tuple[dict[str, np.ndarray], list[Annotation]]:
    scripts = [draw_script("test", seed=5, number=number) for number in range(videos)]
    annotations = annotate(scripts)
    lengths = {annotation.video: annotation.duration_s for annotation in annotations}
    return {name: np.arange(0, length, 1 / 3) for name, length in lengths.items()}, annotations


def test_who_knows_the_events_finds_them_all() -> None:
    times, annotations = world(POOL)
    perfect = perfect_signals(times, annotations)
    judged = judge(perfect, annotations, window_s=0.5)
    assert judged.caption_r1 == judged.event_r1 == judged.video_r1 == 1
    assert judged.r1[0] == judged.r1[1] == 1
    assert judged.miou > 0.9
    assert judge(perfect, annotations, window_s=5.0).miou < judged.miou  # smoothing blurs the edges


def test_who_sees_single_frames_cannot_tell_actions_apart() -> None:
    times, annotations = world(POOL)
    seen, known = (
        judge(make(times, annotations), annotations, window_s=0.5) for make in (look_signals, perfect_signals)
    )
    assert 0.6 < seen.caption_r1 < known.caption_r1
    assert 0.5 < seen.r1[1] < known.r1[1]


def test_noise_ranks_at_chance() -> None:
    times, annotations = world(POOL)
    judged = judge(chance_signals(times, annotations), annotations)
    assert judged.caption_r1 < 4 / POOL
    assert judged.event_r1 < 4 / POOL
    assert judged.r1[1] < 0.35


def test_the_same_signals_are_judged_the_same() -> None:
    times, annotations = world(8)
    signals = look_signals(times, annotations)
    assert judge(signals, annotations) == judge(signals, annotations)


def test_a_caption_without_a_size_fits_every_size() -> None:
    def event(video: str, size: str, caption: str, background: str = "plain") -> Annotation:
        return Annotation(
            qid=0,
            video=video,
            duration_s=4.0,
            start_s=0.0,
            end_s=4.0,
            captions=(caption,),
            look=Look("star", "red", size),
            action="grows",
            background=background,
            camera="static",
            held_out=False,
            cut=False,
        )

    times = {name: np.arange(4.0) for name in ("a.mp4", "b.mp4")}
    vague = [event("a.mp4", "small", "a red star grows"), event("b.mp4", "large", "a red star grows")]
    exact = [
        event("a.mp4", "small", "a tiny red star grows"),
        event("b.mp4", "large", "a red star grows in front of dots", background="dots"),
    ]
    assert look_signals(times, vague).similarity["b.mp4"][:, 0].min() > 0.9
    assert look_signals(times, exact).similarity["b.mp4"][:, 0].max() < 0.1  # another size
    assert look_signals(times, exact).similarity["a.mp4"][:, 1].max() < 0.1  # another background


def test_one_video_is_no_ranking() -> None:
    times, annotations = world(1)
    with pytest.raises(SettingsError, match="two videos or more with events, received 1"):
        judge(Signals(times_s=times, similarity=perfect_signals(times, annotations).similarity), annotations)
