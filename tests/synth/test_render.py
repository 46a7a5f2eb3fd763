"""Pixels are where the script says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_frame, render_video
from vidskim.synth.script import Actor, Background, Camera, Event, Script, Shot
from vidskim.synth.vocabulary import COLOURS, PATTERNS, SHAPES, Look

HEIGHT, WIDTH = 96, 128
HALF = HEIGHT / 2
GREY = Background("plain", ((110.0, 110.0, 110.0), (110.0, 110.0, 110.0)), 8.0, 0.0, 0.0, 1)
STILL = Shot(0.0, 4.0, GREY, Camera("static"), 0.0, 0.0, None)
STRIPES = Background("stripes", ((80.0, 90.0, 100.0), (140.0, 130.0, 120.0)), 9.0, 0.6, 6.0, 3)


def scene(
    *,
    shape: str = "circle",
    colour: str = "red",
    action: str = "moves left",
    shot: Shot = STILL,
    home: tuple[float, float] = (0.1, -0.1),
) -> Script:
    actor = Actor(Look(shape, colour, "medium"), action, home, 0.8, 0.0)
    return Script("scene", (shot,), (Event(0.0, 4.0, actor, ("x",), False),))


def frame(script: Script, t: float, *, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.int64]:
    return render_frame(script, t, height=height, width=width).astype(np.int64)


def distance_to(script: Script, t: float) -> NDArray[np.floating]:
    """Of each pixel to the middle of the actor at `t`, in its radii: [y, x]."""
    event = script.events[0]
    pose = event.actor.pose(t, event.length_s)
    x = (np.arange(WIDTH) + 0.5 - WIDTH / 2) / HALF - pose.x
    y = (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / HALF - pose.y
    return np.hypot(x[None], y[:, None]) / pose.radius


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("t", [0.0, 1.7, 3.9])
def test_the_actor_is_where_its_pose_says_in_its_colour(colour: str, t: float) -> None:
    script = scene(colour=colour)
    picture, far = frame(script, t), distance_to(script, t)
    upper = np.indices((HEIGHT, WIDTH))[0] + 0.5 < HALF + script.events[0].actor.home[1] * HALF - 1
    inside = (far < 0.75) & upper  # the lower half is a little darker
    assert inside.sum() > 30
    assert np.abs(picture[inside] - COLOURS[colour]).max() <= 1
    lower = (far < 0.75) & np.roll(~upper, 3, axis=0)
    assert np.abs(picture[lower] - 0.78 * np.array(COLOURS[colour])).max() <= 1
    assert (picture[far > 1.1] == 110).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn(shape: str) -> None:
    script = scene(shape=shape, colour="white", action="blinks")
    drawn = (np.abs(frame(script, 0.0) - 110) > 20).any(axis=2)
    radius = 0.28 * HALF
    assert 0.2 < drawn.sum() / (np.pi * radius**2) < 1.0
    assert (frame(script, 0.9) == 110).all()  # blinked away


def test_with_a_still_camera_only_the_actor_changes() -> None:
    script = scene(shot=replace(STILL, background=STRIPES))
    frames = [frame(script, t) for t in (0.0, 1.0, 3.5)]
    for (first, a), (second, b) in pairwise(zip((0.0, 1.0, 3.5), frames, strict=True)):
        elsewhere = (distance_to(script, first) > 1.15) & (distance_to(script, second) > 1.15)
        assert (a[elsewhere] == b[elsewhere]).all()
        assert np.abs(a - b).max() > 60


def test_panning_moves_the_background_and_not_the_actor() -> None:
    t, pixels = 0.625, 12  # 0.4 units a second, 48 pixels a unit
    shot = replace(STILL, background=STRIPES, camera=Camera("pan", (0.4, 0.0)))
    script = scene(shot=shot, action="blinks")
    before, after = frame(script, 0.0), frame(script, t)
    actor, ground = distance_to(script, 0.0) < 0.9, distance_to(script, 0.0) > 1.1
    assert (before[actor] == after[actor]).all()
    assert np.abs(before - after)[ground].mean() > 5
    shifted = np.abs(after[:, :-pixels] - before[:, pixels:]).max(axis=2)
    assert shifted[ground[:, :-pixels] & ground[:, pixels:]].max() <= 1


@pytest.mark.parametrize("kind", ["zoom", "shake", "handheld"])
def test_other_cameras_move_actor_and_background(kind: str) -> None:
    camera = Camera(kind, (1.1, 1.0), shake=0.0 if kind == "zoom" else 0.05)
    shot = replace(STILL, background=STRIPES, camera=camera)
    script = scene(shot=shot, action="blinks", home=(0.4, 0.3))
    frames = [frame(script, t) for t in (0.1, 0.4, 2.6, 3.0)]
    middles = np.array([red_middle(picture) for picture in frames])
    assert np.ptp(middles, axis=0).max() > 1.5
    assert min(np.abs(first - second)[:20].mean() for first, second in pairwise(frames)) > 1


def red_middle(picture: NDArray[np.int64]) -> NDArray[np.floating]:
    """Row and column."""
    return np.argwhere(picture[:, :, 0] - picture[:, :, 1:].max(axis=2) > 60).mean(axis=0)


def test_light_and_grain_change_all_pixels_a_little() -> None:
    plain = frame(scene(), 1.0)
    grain = frame(scene(shot=replace(STILL, grain=4.0)), 1.0) - plain
    assert 3 < grain[:30].std() < 5
    assert abs(grain[:30].mean()) < 1
    lit = [frame(scene(shot=replace(STILL, light=0.15)), t)[:20].mean() for t in np.linspace(0, 3.9, 14)]
    assert min(lit) < 105
    assert max(lit) > 115


def test_a_bystander_stands_there_between_events_too() -> None:
    bystander = Actor(Look("square", "green", "small"), None, (-0.8, 0.0), 0.0, 0.0)
    script = replace(scene(shot=replace(STILL, bystander=bystander)), events=())
    row, column = HEIGHT // 2 - 3, round(WIDTH / 2 - 0.8 * HALF)
    assert frame(script, 0.0)[row, column].tolist() == list(COLOURS["green"])
    assert (frame(script, 0.0) == frame(script, 3.0)).all()


@pytest.mark.parametrize("number", [4, 7, 9, 14])
def test_a_video_is_its_frames(number: int) -> None:
    script = draw_script("test", seed=0, number=number)
    frames = list(render_video(script, fps=2, height=48, width=64))
    assert len(frames) == round(2 * script.duration_s)
    for n, picture in enumerate(frames):
        assert picture.dtype == np.uint8
        assert (picture == render_frame(script, n / 2, height=48, width=64)).all(), n


@pytest.mark.parametrize("size", [(16, 16), (97, 131), (33, 250), (250, 33), (64, 1100)])
def test_any_size(size: tuple[int, int]) -> None:
    for number in (0, 4):
        script = draw_script("test", seed=0, number=number)
        picture = render_frame(script, 2.0, height=size[0], width=size[1])
        assert picture.shape == (*size, 3)
        assert picture.std() > 3


def test_a_larger_picture_shows_the_same() -> None:
    script = scene(shot=replace(STILL, background=STRIPES))
    small, large = (frame(script, 1.0, height=96 * k, width=128 * k) for k in (1, 4))
    pooled = large.reshape(96, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(pooled - small).mean() < 2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_has_a_look_of_its_own(pattern: str) -> None:
    def draw(name: str) -> NDArray[np.int64]:
        shot = replace(STILL, background=replace(STRIPES, pattern=name, noise=0.0))
        return frame(replace(scene(shot=shot), events=()), 0.0)

    picture = draw(pattern)
    assert np.ptp(picture[:, :, 0]) > 25
    assert all(np.abs(picture - draw(other)).mean() > 4 for other in PATTERNS if other != pattern)
