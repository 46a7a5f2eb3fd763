"""What is around the frames of an explanation: title, legend, timeline."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from vidskim.tasks.explain import Explanation
from vidskim.tasks.patch_picture import (
    BEFORE,
    BORDER,
    FAINT,
    FRESH,
    INK,
    PAPER,
    Colour,
    Picture,
    draw_patches,
    text_font,
    write_text,
)
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, REUSED, PatchState
from vidskim.tasks.patch_timeline import HEIGHT as TIMELINE
from vidskim.tasks.patch_timeline import SHOWN, draw_timeline

LEAST_WIDTH = 920
MARGIN, TITLE, LEGEND, SWATCH = 16, 52, 30, 18  # pixels
CHANGE_TEXT = "change: mean pixel difference to the frame before, 0..1"


@dataclass(frozen=True)
class Sheet:
    """A picture with an empty middle.

    Args:
        image: to paste frames into.
        body: left and top of the middle.
        timeline: left and top of the timeline.
        inner: width of both, pixels.
    """

    image: Image.Image
    body: tuple[int, int]
    timeline: tuple[int, int]
    inner: int


def lay_sheet(
    explanation: Explanation, body: tuple[int, int], *, title: str, shown: tuple[int, ...] = ()
) -> Sheet:
    """Draw everything but the frames.

    Args:
        explanation: of the video.
        body: width and height that the frames take, pixels.
        title: first line.
        shown: numbers of the frames that will be drawn, to be marked on the timeline; none where all are.

    Returns:
        A sheet with even sides, as video needs them.
    """
    width = max(LEAST_WIDTH, body[0] + 2 * MARGIN)
    height = 2 * MARGIN + TITLE + body[1] + 2 * LEGEND + TIMELINE
    image = Image.new("RGB", (width + width % 2, height + height % 2), PAPER)
    inner = width - 2 * MARGIN
    top = MARGIN
    image.paste(draw_title(explanation, title, width=inner), (MARGIN, top))
    top += TITLE
    middle = ((width - body[0]) // 2, top)
    top += body[1]
    image.paste(draw_legend(explanation, width=inner, marked=bool(shown)), (MARGIN, top))
    top += 2 * LEGEND
    image.paste(draw_timeline(explanation.states, width=inner, shown=shown), (MARGIN, top))
    return Sheet(image, middle, (MARGIN, top), inner)


def draw_title(explanation: Explanation, title: str, *, width: int) -> Image.Image:
    """Two lines: the title, and how much was computed."""
    image = Image.new("RGB", (width, TITLE), PAPER)
    pen = ImageDraw.Draw(image)
    write_text(pen, (0, 0), title, font=text_font(19), width=width, fill=INK)
    write_text(pen, (0, 26), explanation.summary(), font=text_font(15), width=width, fill=FAINT)
    return image


def draw_legend(explanation: Explanation, *, width: int, marked: bool) -> Image.Image:
    """What the colours say, those that occur: a line for the patches, a line for the timeline."""
    image = Image.new("RGB", (width, 2 * LEGEND), PAPER)
    patches = [(_swatch(COMPUTED), "computed")]
    if explanation.total(REUSED):
        patches.append((_swatch(REUSED), "reused from the I-frame before"))
        if explanation.looks_ahead:
            patches.append((_swatch(REUSED, lean=1.0), "from the I-frame after"))
    if explanation.total(MERGED):
        patches.append((_swatch(MERGED), "merged: one colour, one token"))
    if explanation.total(DROPPED):
        patches.append((_swatch(DROPPED), "dropped"))
    kinds = {state.kind for state in explanation.states}
    named = (("I", BEFORE), ("P", FRESH))
    bars = [(_plain(colour), f"{kind}-frame") for kind, colour in named if kind in kinds]
    if explanation.merging():
        bars[0] = (bars[0][0], f"I-frame, {explanation.merging()}")
    if marked:
        bars.append((_plain(SHOWN), "drawn above"))
    x = _draw_entries(image, 0, patches)
    x = _draw_entries(image, LEGEND, bars)
    place = (x, LEGEND + 3)
    pen = ImageDraw.Draw(image)
    write_text(pen, place, CHANGE_TEXT, font=text_font(14), width=width - x, fill=FAINT)
    return image


def _draw_entries(image: Image.Image, top: int, entries: list[tuple[Picture, str]]) -> int:
    """Swatches with their names in a line; returns where it ends."""
    pen, font, x = ImageDraw.Draw(image), text_font(14), BORDER
    for swatch, text in entries:
        image.paste(Image.fromarray(swatch), (x, top + 2))
        pen.text((x + SWATCH + 7, top + 2 + SWATCH / 2), text, fill=INK, font=font, anchor="lm")
        x += SWATCH + 7 + int(font.getlength(text)) + 24
    return x


def _plain(colour: Colour) -> Picture:
    return np.full((SWATCH, SWATCH, 3), colour, np.uint8)


def _swatch(fate: int, *, lean: float = 0.0) -> Picture:
    """A small picture of many colours, painted as a patch of this fate."""
    one = (1, 1)
    state = PatchState(
        number=0,
        time_s=0.0,
        kind="P",
        fates=np.full(one, fate, np.int8),
        slots=np.zeros(one, np.int64),
        lean=np.full(one, lean, np.float32),
        change=0.0,
    )
    ramp = np.linspace(60, 230, SWATCH)
    colours = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, ::-1], 140.0), axis=-1)
    return draw_patches(colours.astype(np.uint8), state, cell=SWATCH)
