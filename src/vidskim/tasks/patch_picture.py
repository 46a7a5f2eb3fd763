"""One frame with what became of its patches: full colour, tinted, one colour a region, or dark."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vidskim.tasks.patch_state import COMPUTED, DROPPED, FATES, MERGED, REUSED, PatchState

Picture = npt.NDArray[np.uint8]  # [y, x, 3]
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PAPER, INK, FAINT = (250, 250, 248), (24, 24, 28), (120, 120, 124)
BEFORE, AFTER = (38, 110, 220), (235, 120, 20)  # the I-frame before and after, and what leans on them
FRESH = (20, 150, 110)  # what a P-frame computes
BORDER = 5  # pixels around a frame
_P_BORDER = (214, 214, 210)
_LUMA = (0.299, 0.587, 0.114)
_DIM, _TINT = 0.65, 0.4  # light, and share of the tint, of a reused patch
_DARK = 0.13  # of the light of a dropped patch
_EDGE, _EDGE_SHARE = 255, 0.8


def draw_patches(picture: Picture, state: PatchState, *, cell: int) -> Picture:
    """Paint what became of the patches.

    Computed patches keep their colours and have a light line around them; reused ones are grey with a tint of the
    I-frames they lean on; merged ones have the mean colour of their region; dropped ones are nearly black.

    Args:
        picture: the frame as the encoder sees it, uint8 [y, x, 3].
        state: of its patches.
        cell: side of a patch in the drawing, pixels.

    Returns:
        uint8 [gy * cell, gx * cell, 3].
    """
    gy, gx = state.fates.shape
    image = Image.fromarray(picture)
    if image.size != (gx * cell, gy * cell):
        image = image.resize((gx * cell, gy * cell), Image.Resampling.LANCZOS)
    drawn = np.asarray(image).astype(np.float32)
    fates = _enlarge(state.fates, cell)
    drawn = np.where((fates == REUSED)[..., None], _tinted(drawn, _enlarge(state.lean, cell)), drawn)
    drawn = np.where((fates == DROPPED)[..., None], _DARK * drawn, drawn)
    _paint_regions(drawn, _enlarge(np.where(state.fates == MERGED, state.slots, -1), cell))
    edges = _edges(fates, _enlarge(state.slots, cell))
    drawn[edges] += _EDGE_SHARE * (_EDGE - drawn[edges])
    return drawn.round().astype(np.uint8)


def _enlarge(grid: np.ndarray, cell: int) -> np.ndarray:
    """[gy, gx] -> [gy * cell, gx * cell]."""
    return grid.repeat(cell, axis=0).repeat(cell, axis=1)


def _tinted(drawn: npt.NDArray[np.float32], lean: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    grey = _DIM * (drawn @ np.array(_LUMA, np.float32))[..., None]
    after = np.nan_to_num(lean)[..., None]
    tint = (1 - after) * np.array(BEFORE, np.float32) + after * np.array(AFTER, np.float32)
    return (1 - _TINT) * grey + _TINT * tint


def _paint_regions(drawn: npt.NDArray[np.float32], slots: npt.NDArray[np.int64]) -> None:
    for slot in np.unique(slots[slots >= 0]):
        drawn[slots == slot] = drawn[slots == slot].mean(axis=0)


def _edges(fates: npt.NDArray[np.int8], slots: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Pixels beside another fate or region. Computed patches stay whole: the line runs outside them."""
    key = slots * len(FATES) + fates
    edges = np.zeros(key.shape, np.bool_)
    across, down = key[:, 1:] != key[:, :-1], key[1:] != key[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    edges[fates == COMPUTED] = False
    return edges


def draw_frame(picture: Picture, state: PatchState, *, side: int, closes: bool = False) -> Image.Image:
    """A frame with its patches painted and a border, which for I-frames is coloured.

    Args:
        picture: the frame as the encoder sees it, uint8 [y, x, 3].
        state: of its patches.
        side: of the drawing without its border, about, pixels: patches have whole pixels.
        closes: whether it is the I-frame after a group that leans on it.
    """
    drawn = draw_patches(picture, state, cell=max(4, round(side / state.fates.shape[1])))
    y, x, _ = drawn.shape
    anchor = AFTER if closes else BEFORE
    frame = Image.new("RGB", (x + 2 * BORDER, y + 2 * BORDER), anchor if state.kind == "I" else _P_BORDER)
    frame.paste(Image.fromarray(drawn), (BORDER, BORDER))
    return frame


def label_of(state: PatchState) -> str:
    """ "I 12.3 s", "P 12.7 s, 29 of 196 computed" or "P 12.7 s, 196 patches merged to 20"."""
    text = f"{state.kind} {state.time_s:.1f} s"
    if state.regions:
        merged = state.count(MERGED) + state.count(COMPUTED)
        return f"{text}, {merged} patches merged to {state.tokens}"
    return text if state.kind == "I" else f"{text}, {state.count(COMPUTED)} of {state.fates.size} computed"


def text_font(size: int) -> Font:
    """Pillow's own font."""
    return ImageFont.load_default(size=size)


def write_text(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, *, font: Font, width: float, fill: Colour
) -> None:
    """A line of text, cut with dots where it is wider than `width`."""
    if font.getlength(text) > width:
        while text and font.getlength(text + "...") > width:
            text = text[:-1]
        text += "..."
    pen.text(place, text, fill=fill, font=font)
