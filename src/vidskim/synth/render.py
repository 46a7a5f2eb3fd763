"""Pixels of a script: any size, any moment. The same arguments give the same pixels."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil, cos, floor, sin

import numpy as np
from numpy.typing import NDArray

from vidskim.synth.script import Actor, Background, Pose, Script, Shot
from vidskim.synth.shapes import SIGNED_DISTANCE
from vidskim.synth.vocabulary import COLOURS

Image = NDArray[np.floating]
LATTICE = 24  # cells of the smooth noise before it repeats
GRAIN = 512  # side of the tile of noise that grain is cut from
EDGE = 0.09  # of an actor's outline, in radii


def render_video(script: Script, *, fps: float, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """Every frame of a script, uint8 [y, x, 3]; frame n shows the moment n / fps."""
    times = (number / fps for number in range(round(script.duration_s * fps)))
    return render_moments(script, times, height=height, width=width)


def render_moments(
    script: Script, times_s: Iterable[float], *, height: int, width: int
) -> Iterator[NDArray[np.uint8]]:
    """The moments of a script, each uint8 [y, x, 3]; a background that stands still is drawn once a shot."""
    held: tuple[Shot, Image] | None = None
    for t in times_s:
        shot = script.shot_at(t)
        if shot.camera.moves:
            backdrop = _draw_background(shot, t, height, width)
        else:
            if held is None or held[0] is not shot:
                held = shot, _draw_background(shot, t, height, width)
            backdrop = held[1].copy()
        yield _finish(script, shot, backdrop, t)


def render_frame(script: Script, t: float, *, height: int, width: int) -> NDArray[np.uint8]:
    """One moment of a script, uint8 [y, x, 3]."""
    shot = script.shot_at(t)
    return _finish(script, shot, _draw_background(shot, t, height, width), t)


def _finish(script: Script, shot: Shot, picture: Image, t: float) -> NDArray[np.uint8]:
    """Actors, light and grain over a background, which is used up."""
    since = t - shot.start_s
    view = shot.camera.view(since)
    if shot.bystander is not None:
        _draw_actor(picture, shot.bystander, shot.bystander.pose(0.0, 1.0), view)
    event = script.event_at(t)
    if event is not None:
        _draw_actor(picture, event.actor, event.actor.pose(t - event.start_s, event.length_s), view)
    if shot.light:
        picture *= 1 + shot.light * sin(1.1 * t + 7.0 * shot.light)
    if shot.grain:
        picture += shot.grain * _cut_grain(t, *picture.shape[:2])[:, :, None]
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)


def _draw_background(shot: Shot, t: float, height: int, width: int) -> Image:
    """float32 [y, x, 3]."""
    since = t - shot.start_s
    shift_x, shift_y, zoom = shot.camera.view(since)
    drift_x, drift_y = shot.camera.drift(since)
    half = min(height, width) / 2
    x = ((np.arange(width) + 0.5 - width / 2) / half / zoom - shift_x + drift_x).astype(np.float32)
    y = ((np.arange(height) + 0.5 - height / 2) / half / zoom - shift_y + drift_y).astype(np.float32)
    background = shot.background
    first, second = (np.array(colour, np.float32) for colour in background.colours)
    share = _pattern(background, x[None], y[:, None])[:, :, None]
    picture: Image = first + share * (second - first)
    picture += _smooth_noise(background, x, y)[:, :, None]
    return picture


def _pattern(background: Background, x: Image, y: Image) -> Image:
    """Share of the second colour, 0..1, on x [1, x] and y [y, 1]."""
    f, angle = background.frequency, background.angle
    match background.pattern:
        case "stripes":
            wave = np.sin(f * (x * cos(angle) + y * sin(angle)))
        case "checks":
            wave = 4 * np.sin(f * x) * np.sin(f * y)
        case "dots":
            wave = 2.2 * (np.cos(1.5 * f * x) + np.cos(1.5 * f * y) - 0.9)
        case "waves":
            wave = np.sin(f * y + 1.4 * np.sin(f * 0.6 * x + angle))
        case "clouds":
            cells = LATTICE * background.frequency / 16
            shares: Image = np.clip(0.5 + _noise(background.seed + 1, x[0], y[:, 0], cells / LATTICE), 0, 1)
            return shares
        case _:
            wave = 0.5 * (x * cos(angle) + y * sin(angle))
    out: Image = np.clip(0.5 + wave, 0, 1).astype(np.float32)
    return out


def _smooth_noise(background: Background, x: Image, y: Image) -> Image:
    """Noise of two grains, [y, x], in grey levels."""
    coarse = _noise(background.seed, x, y, 2.0)
    return background.noise * (coarse + 0.6 * _noise(background.seed + 2, x, y, 7.0))


def _noise(seed: int, x: Image, y: Image, cells: float) -> Image:
    """Smooth noise of unit variance at the lattice points, `cells` of them for each unit of length; [y, x].

    Interpolation along an axis is a product with a thin matrix, so a picture costs two small products.
    """
    out: Image = _weights(y * cells) @ _lattice(seed) @ _weights(x * cells).T
    return out


def _weights(places: Image) -> Image:
    """Rows that interpolate a periodic lattice at `places` [n]: [n, LATTICE]."""
    low = np.floor(places)
    part = places - low
    part = part * part * (3 - 2 * part)
    out = np.zeros((len(places), LATTICE), np.float32)
    rows, cell = np.arange(len(places)), low.astype(np.int64) % LATTICE
    out[rows, cell] = 1 - part
    out[rows, (cell + 1) % LATTICE] += part
    return out


@lru_cache(maxsize=64)
def _lattice(seed: int) -> Image:
    return np.random.default_rng(seed).standard_normal((LATTICE, LATTICE), dtype=np.float32)


@lru_cache(maxsize=1)
def _grain_tile() -> Image:
    return np.random.default_rng(0).standard_normal((2 * GRAIN, 2 * GRAIN), dtype=np.float32)


def _cut_grain(t: float, height: int, width: int) -> Image:
    """A part of the tile that differs from moment to moment, [y, x]."""
    step = round(t * 1000)
    tile = _grain_tile()
    rows, columns = max(1, tile.shape[0] - height), max(1, tile.shape[1] - width)
    top, left = step * 7919 % rows, step * 104729 % columns
    part = tile[top : top + height, left : left + width]
    if part.shape != (height, width):  # a picture larger than the tile
        part = np.pad(part, ((0, height - part.shape[0]), (0, width - part.shape[1])), mode="wrap")
    return part


def _draw_actor(picture: Image, actor: Actor, pose: Pose, view: tuple[float, float, float]) -> None:
    """Blend an actor into the picture [y, x, 3], in place; only the pixels around it are touched."""
    if pose.opacity <= 0:
        return
    height, width = picture.shape[:2]
    half = min(height, width) / 2
    shift_x, shift_y, zoom = view
    centre_x = (pose.x + shift_x) * zoom * half + width / 2
    centre_y = (pose.y + shift_y) * zoom * half + height / 2
    radius = pose.radius * zoom * half
    left, right = max(0, floor(centre_x - radius - 2)), min(width, ceil(centre_x + radius + 2))
    top, bottom = max(0, floor(centre_y - radius - 2)), min(height, ceil(centre_y + radius + 2))
    if left >= right or top >= bottom:
        return
    dx = ((np.arange(left, right) + 0.5 - centre_x) / radius).astype(np.float32)[None]
    dy = ((np.arange(top, bottom) + 0.5 - centre_y) / radius).astype(np.float32)[:, None]
    turn_cos, turn_sin = cos(pose.angle), sin(pose.angle)
    u, v = dx * turn_cos + dy * turn_sin, dy * turn_cos - dx * turn_sin
    distance = SIGNED_DISTANCE[actor.look.shape](u, v)
    # edges are one pixel wide: distance times radius is in pixels
    cover = np.clip(0.5 - distance * radius, 0, 1) * pose.opacity
    inside = np.clip(0.5 - (distance + EDGE) * radius, 0, 1)
    # one half a little darker, so that a turning circle shows
    shade = 1 - 0.22 * np.clip(0.5 + v * radius, 0, 1)
    colour = np.array(COLOURS[actor.look.colour], np.float32)
    outline = 0.3 * colour if colour.sum() > 120 else np.full(3, 200, np.float32)
    paint = outline + inside[:, :, None] * (shade[:, :, None] * colour - outline)
    region = picture[top:bottom, left:right]
    region += cover[:, :, None] * (paint - region)
