"""A picture that explains a method: some groups of frames, a legend, and the timeline of all frames."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.tasks.explain import Explanation, read_pictures
from vidskim.tasks.patch_picture import (
    BORDER,
    INK,
    PAPER,
    Picture,
    draw_frame,
    label_of,
    text_font,
    write_text,
)
from vidskim.tasks.patch_sheet import lay_sheet
from vidskim.tasks.patch_state import PatchState

SIDE = 224  # of a frame in the drawing, about, pixels
COLUMNS, MOST_COLUMNS = 6, 8  # frames in a row; where one group is longer
SPACE, LABEL = 8, 20  # pixels

Group = Sequence[PatchState]


def choose_groups(explanation: Explanation, frames: int) -> list[list[PatchState]]:
    """Groups spread evenly over a video, whole, about as many frames as asked for and one group or more.

    Raises:
        SettingsError: frames is below 1.
    """
    if frames < 1:
        raise SettingsError(f"frames to draw must be 1 or more, received {frames}")
    groups = explanation.groups()
    whole = [group for group in groups if any(state.kind == "P" for state in group)] or groups
    if len(whole) > 1 and len(whole[-1]) < len(whole[-2]):
        whole = whole[:-1]  # the end of a video may be a shorter one
    usual = -(-sum(map(len, whole)) // len(whole))
    count = min(len(whole), max(1, frames // usual))
    return [whole[(2 * number + 1) * len(whole) // (2 * count)] for number in range(count)]


def write_strip(
    explanation: Explanation, path: Path, encoder: VideoEncoder, out: Path, *, frames: int, title: str
) -> list[list[PatchState]]:
    """Draw an explanation as a PNG.

    Args:
        explanation: of the video.
        path: the video.
        encoder: what the explanation is of.
        out: picture to write.
        frames: to draw, about; groups are drawn whole.
        title: over the picture.

    Returns:
        The groups drawn.

    Raises:
        VideoError: the video cannot be read again.
        SettingsError: frames is below 1.
    """
    groups = choose_groups(explanation, frames)
    wanted = {state.number: state for group in groups for state in group}
    states = [wanted[number] for number in sorted(wanted)]
    pictures = dict(zip(sorted(wanted), read_pictures(path, encoder, states), strict=True))
    strip = draw_strip(explanation, groups, pictures, title=title)
    with writing(out) as file:
        strip.save(file, format="PNG", optimize=True)
    return groups


def draw_strip(
    explanation: Explanation, groups: Sequence[Group], pictures: dict[int, Picture], *, title: str
) -> Image.Image:
    """Title, groups in rows, legend, timeline.

    Args:
        explanation: of the video.
        groups: to draw.
        pictures: their frames by number, uint8 [y, x, 3].
        title: first line.
    """
    cells = [
        [_draw_cell(state, pictures[state.number], closes=closes) for state, closes in row]
        for row in lay_rows(groups)
    ]
    wide, high = cells[0][0].size
    body = (max(map(len, cells)) * (wide + SPACE) - SPACE, len(cells) * (high + SPACE))
    shown = tuple(state.number for group in groups for state in group)
    sheet = lay_sheet(explanation, body, title=title, shown=shown)
    left, top = sheet.body
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            sheet.image.paste(cell, (left + x * (wide + SPACE), top + y * (high + SPACE)))
    return sheet.image


def lay_rows(groups: Sequence[Group]) -> list[list[tuple[PatchState, bool]]]:
    """Frames in rows, each with whether it closes its group: whole groups where they fit, long ones wrapped."""
    longest = max(map(len, groups))
    lines = -(-longest // MOST_COLUMNS)  # of a group that is too long for one, in rows about as long
    columns = max(-(-longest // lines), COLUMNS // longest * longest)
    rows: list[list[tuple[PatchState, bool]]] = []
    for group in groups:
        line = [(state, place > 0 and state.kind == "I") for place, state in enumerate(group)]
        if rows and len(rows[-1]) + len(line) <= columns:
            rows[-1] += line
        else:
            rows += [line[start : start + columns] for start in range(0, len(line), columns)]
    return rows


def _draw_cell(state: PatchState, picture: Picture, *, closes: bool) -> Image.Image:
    """A frame with its border, and its label below."""
    frame = draw_frame(picture, state, side=SIDE, closes=closes)
    cell = Image.new("RGB", (frame.width, frame.height + LABEL), PAPER)
    cell.paste(frame, (0, 0))
    pen, width = ImageDraw.Draw(cell), frame.width - BORDER
    write_text(pen, (BORDER, frame.height + 2), label_of(state), font=text_font(14), width=width, fill=INK)
    return cell
