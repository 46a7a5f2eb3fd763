"""A picture of a clip or video: its slices side by side, and below them the tokens left after each stage."""

from colorsys import hls_to_rgb
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.tasks.explain_clip import ClipStage, TokenExplanation
from vidskim.tasks.patch_picture import (
    BEFORE,
    FAINT,
    INK,
    PAPER,
    Picture,
    draw_patches,
    text_font,
    write_text,
)
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, PatchState

SIDE = 112  # of a slice in the drawing, about, pixels
MARGIN, SPACE, LABEL, TITLE, LINE, BAR = 16, 6, 190, 84, 22, 4  # pixels
OWN_SHARE, GOLDEN = 0.45, 0.618034  # of a merged token's own colour; neighbours in number are far in hue
FRESH_TINT, FRESH_SHARE = (190, 40, 40), 0.62  # of tokens that this stage dropped


def write_clip_picture(explanation: TokenExplanation, out: Path, *, slices: int, title: str) -> list[int]:
    """Draw an explanation of a clip as a PNG.

    Args:
        explanation: of the clip.
        out: picture to write.
        slices: most slices to draw, spread evenly over the clip.
        title: first line.

    Returns:
        The slices drawn.

    Raises:
        SettingsError: slices is below 1.
    """
    if slices < 1:
        raise SettingsError(f"frames to draw must be 1 or more, received {slices}")
    every = len(explanation.times_s)
    shown = list(range(0, every, -(-every // slices)))
    with writing(out) as file:
        draw_clip(explanation, shown, title=title).save(file, format="PNG", optimize=True)
    return shown


def draw_clip(explanation: TokenExplanation, shown: list[int], *, title: str) -> Image.Image:
    """Title, the clip, a row for each stage, legend.

    Args:
        explanation: of the clip.
        shown: slices to draw, in order.
        title: first line.
    """
    cells = [_cells(explanation, number, shown) for number in range(len(explanation.stages) + 1)]
    high, wide, _ = cells[0][0].shape
    row = high + BAR + SPACE + LINE // 2
    width = 2 * MARGIN + LABEL + len(shown) * (wide + SPACE)
    height = 2 * MARGIN + TITLE + LINE + len(cells) * row + LINE
    image = Image.new("RGB", (width, height), PAPER)
    pen, inner = ImageDraw.Draw(image), width - 2 * MARGIN
    for line, (text, size, fill) in enumerate(
        ((title, 19, INK), (explanation.summary(), 15, FAINT), (explanation.verdict(), 15, INK))
    ):
        write_text(pen, (MARGIN, MARGIN + 26 * line), text, font=text_font(size), width=inner, fill=fill)
    left, top = MARGIN + LABEL, MARGIN + TITLE
    for place, number in enumerate(shown):
        time = f"{explanation.times_s[number]:.2f} s"
        pen.text((left + place * (wide + SPACE), top), time, fill=FAINT, font=text_font(14))
    top += LINE
    for number, pictures in enumerate(cells):
        _write_label(pen, explanation, number, (MARGIN, top))
        for place, picture in enumerate(pictures):
            image.paste(Image.fromarray(picture), (left + place * (wide + SPACE), top))
        if number:
            _draw_groups(pen, explanation.stages[number - 1], shown, (left, top + high + 3), wide)
        top += row
    _draw_legend(image, explanation, (MARGIN, height - MARGIN - LINE))
    return image


def _cells(explanation: TokenExplanation, number: int, shown: list[int]) -> list[Picture]:
    """The slices after `number` stages, painted as one wide picture, so that what is merged has one colour in all."""
    stages = explanation.stages
    grid = stages[0].fates.shape if stages else (len(explanation.times_s), 1, 1)
    fates = np.full(grid, COMPUTED, np.int8)
    slots = np.full(grid, -1, np.int64)
    if number:
        fates, slots = stages[number - 1].fates, stages[number - 1].slots
    cell = max(4, round(SIDE / grid[2]))
    y, x = grid[1] * cell, grid[2] * cell
    wide = [
        Image.fromarray(picture).resize((x, y), Image.Resampling.LANCZOS) for picture in explanation.pictures
    ]
    state = PatchState(
        number=0,
        time_s=0.0,
        kind="P",
        fates=_side_by_side(fates),
        slots=_side_by_side(slots),
        lean=np.full((grid[1], grid[0] * grid[2]), np.nan, np.float32),
        change=0.0,
    )
    plain = np.concatenate([np.asarray(picture) for picture in wide], axis=1)
    drawn = draw_patches(plain, state, cell=cell)
    if number:
        before = stages[number - 2].fates if number > 1 else np.full(grid, COMPUTED, np.int8)
        fresh = _side_by_side((fates == DROPPED) & (before != DROPPED))
        drawn = _tint(drawn, plain, fresh.repeat(cell, axis=0).repeat(cell, axis=1))
    if number and explanation.coloured:
        drawn = _colour(drawn, state.slots.repeat(cell, axis=0).repeat(cell, axis=1))
    return [drawn[:, place * x : (place + 1) * x] for place in shown]


def _side_by_side(grid: npt.NDArray[np.generic]) -> np.ndarray:
    """[t, gy, gx] -> [gy, t * gx]."""
    return np.concatenate(list(grid), axis=1)


def _tint(drawn: Picture, plain: Picture, fresh: npt.NDArray[np.bool_]) -> Picture:
    """Tokens just dropped: dark, and red."""
    red = (1 - FRESH_SHARE) * 0.5 * plain[fresh] + FRESH_SHARE * np.array(FRESH_TINT)
    out = drawn.copy()
    out[fresh] = red.round().astype(np.uint8)
    return out


def _colour(drawn: Picture, slots: npt.NDArray[np.int64]) -> Picture:
    """Each merged token in a colour of its own, so that its patches are found again in other slices."""
    out = drawn.astype(np.float32)
    for rank, slot in enumerate(np.unique(slots[slots >= 0])):
        colour = [255 * part for part in hls_to_rgb(rank * GOLDEN % 1, 0.5, 0.9)]
        out[slots == slot] += OWN_SHARE * (np.array(colour) - out[slots == slot])
    return out.round().astype(np.uint8)


def _write_label(
    pen: ImageDraw.ImageDraw, explanation: TokenExplanation, number: int, place: tuple[int, int]
) -> None:
    """Which stage a row shows, and what is left after it."""
    lines = [f"the {explanation.whole}", f"{explanation.tokens} tokens", ""]
    if number:
        stage = explanation.stages[number - 1]
        slices = len(explanation.times_s) // stage.groups
        groups = (
            f"{stage.groups} {explanation.group}s" if stage.groups > 1 else f"the whole {explanation.whole}"
        )
        if stage.groups > 1 and slices > 1:
            groups += f" of {slices} {explanation.slice}s"
        lines = [stage.name, f"{stage.left} left, {stage.left / explanation.tokens:.0%}", groups]
    for line, text in enumerate(lines):
        font, fill = text_font(16 if line == 0 else 14), INK if line == 0 else FAINT
        write_text(pen, (place[0], place[1] + 20 * line), text, font=font, width=LABEL - SPACE, fill=fill)


def _draw_groups(
    pen: ImageDraw.ImageDraw, stage: ClipStage, shown: list[int], place: tuple[int, int], wide: int
) -> None:
    """A bar below the slices of each group."""
    size = len(stage.fates) // stage.groups
    left, top = place
    for group in range(stage.groups):
        own = [at for at, number in enumerate(shown) if number // size == group]
        if own:
            start, end = left + own[0] * (wide + SPACE), left + own[-1] * (wide + SPACE) + wide
            pen.rectangle((start, top, end - 1, top + BAR - 1), fill=BEFORE)


def _draw_legend(image: Image.Image, explanation: TokenExplanation, place: tuple[int, int]) -> None:
    pen, font = ImageDraw.Draw(image), text_font(14)
    x, y = place
    fates = [stage.fates for stage in explanation.stages]
    entries = [(BEFORE, explanation.shared)] if fates else []
    if any((own == DROPPED).any() for own in fates):
        red = tuple(round(FRESH_SHARE * value + 20) for value in FRESH_TINT)
        entries += [((red[0], red[1], red[2]), "dropped here"), ((26, 26, 26), "dropped before")]
    if any((own == MERGED).any() for own in fates):
        entries.append(((150, 150, 150), "merged: one colour, one token"))
    for colour, text in entries:
        pen.rectangle((x, y + 2, x + 15, y + 17), fill=colour)
        pen.text((x + 22, y + 2), text, fill=INK, font=font)
        x += 22 + int(font.getlength(text)) + 24
