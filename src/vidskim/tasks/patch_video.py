"""A video that explains a method: every frame, beside it what became of its patches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vidskim.pipeline.encoder import VideoEncoder
from vidskim.tasks.explain import Explanation, read_pictures
from vidskim.tasks.patch_picture import BORDER, INK, Picture, draw_frame, label_of, text_font, write_text
from vidskim.tasks.patch_sheet import Sheet, lay_sheet
from vidskim.tasks.patch_state import COMPUTED, PatchState
from vidskim.tasks.patch_timeline import draw_cursor
from vidskim.video.write import write_video

SIDE = 360  # of a frame, about, pixels
SPACE, LABEL = 8, 24
_OPTIONS = {"crf": "18"}  # letters stay sharp


def write_explanation_video(
    explanation: Explanation, path: Path, encoder: VideoEncoder, out: Path, *, title: str
) -> None:
    """Draw an explanation as a video at the speed of its source.

    Args:
        explanation: of the video.
        path: the video.
        encoder: what the explanation is of.
        out: video to write, its folder made if missing.
        title: over the picture.

    Raises:
        VideoError: the video cannot be read again.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    frames = draw_frames(explanation, read_pictures(path, encoder, explanation.states), title=title)
    write_video(out, frames, playing_rate(explanation), options=_OPTIONS)


def playing_rate(explanation: Explanation) -> float:
    """Frames per second at which the frames play as fast as they were taken."""
    states = explanation.states
    span = states[-1].time_s - states[0].time_s
    return (len(states) - 1) / span if span > 0 else 1.0


def draw_frames(explanation: Explanation, pictures: Iterator[Picture], *, title: str) -> Iterator[Picture]:
    """Each frame plain at the left and explained at the right, with legend and timeline below.

    Args:
        explanation: of the video.
        pictures: all its frames, uint8 [y, x, 3].
        title: first line.

    Yields:
        uint8 [y, x, 3], all of one size, both sides even.
    """
    sheet: Sheet | None = None
    for state, picture in zip(explanation.states, pictures, strict=True):
        explained = draw_frame(picture, state, side=SIDE)
        if sheet is None:
            body = (2 * explained.width + SPACE, explained.height + LABEL)
            sheet = lay_sheet(explanation, body, title=title)
        yield np.asarray(_draw(sheet, state, _plain(picture, state), explained, len(explanation.states)))


def _plain(picture: Picture, state: PatchState) -> Image.Image:
    whole = replace(state, fates=np.full_like(state.fates, COMPUTED))
    return draw_frame(picture, whole, side=SIDE)


def _draw(
    sheet: Sheet, state: PatchState, plain: Image.Image, explained: Image.Image, frames: int
) -> Image.Image:
    image = sheet.image.copy()
    left, top = sheet.body
    right = left + plain.width + SPACE
    image.paste(plain, (left, top))
    image.paste(explained, (right, top))
    place, width = (right + BORDER, top + explained.height + 3), explained.width - BORDER
    write_text(ImageDraw.Draw(image), place, label_of(state), font=text_font(16), width=width, fill=INK)
    draw_cursor(image, sheet.timeline, width=sheet.inner, number=state.number, frames=frames)
    return image
