"""Contact sheets: one row for each video, so that a person sees at a glance what a set shows and what it says."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vidskim.disk import writing
from vidskim.errors import SettingsError
from vidskim.synth.render import render_frame
from vidskim.synth.script import Script

TEXT_SIZE, LINE, MARGIN = 13, 16, 8  # pixels
PAPER, INK, FAINT = (250, 250, 248), (20, 20, 20), (120, 120, 120)
HELD_OUT = (176, 60, 0)
NOTHING = "(nothing happens)"

Line = tuple[str, tuple[int, int, int]]  # text and its colour


def write_sheet(
    scripts: Sequence[Script],
    path: str | os.PathLike[str],
    *,
    columns: int = 8,
    height: int = 132,
    width: int = 176,
) -> None:
    """Draw scripts as a PNG: frames evenly spaced, under each its time and the caption of the event shown.

    Captions of held-out combinations are in another colour. Frames are drawn at their size on the sheet, straight
    from the scripts.

    Args:
        scripts: one row each, one or more.
        path: of the PNG.
        columns: frames in a row, 1 or more.
        height: of a frame in pixels, 16 or more.
        width: of a frame in pixels, 16 or more.

    Raises:
        SettingsError: no scripts, no columns, or frames too small to see.
    """
    if not scripts or columns < 1:
        raise SettingsError(f"a sheet needs videos and columns, received {len(scripts)} and {columns}")
    if min(height, width) < 16:
        raise SettingsError(f"frames of a sheet must be 16 x 16 pixels or more, received {width} x {height}")
    font = ImageFont.load_default(size=TEXT_SIZE)
    rows = [_draw_row(script, font, columns, height, width) for script in scripts]
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    with writing(Path(path)) as file:
        sheet.save(file, format="PNG")


def sample_times(script: Script, count: int) -> list[float]:
    """The middles of `count` equal parts of a video, in seconds."""
    return [(number + 0.5) * script.duration_s / count for number in range(count)]


def _draw_row(
    script: Script, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, columns: int, height: int, width: int
) -> Image.Image:
    """Title, frames, texts."""
    times = sample_times(script, columns)
    texts = [_describe(script, t, width, font.getlength) for t in times]
    size = (
        columns * (width + MARGIN) + MARGIN,
        LINE + height + max(map(len, texts)) * LINE + 2 * MARGIN,
    )
    row = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(row)
    pen.text((MARGIN, 0), _title(script), fill=INK, font=font)
    for column, (t, lines) in enumerate(zip(times, texts, strict=True)):
        left = MARGIN + column * (width + MARGIN)
        row.paste(Image.fromarray(render_frame(script, t, height=height, width=width)), (left, LINE + 2))
        for number, (line, colour) in enumerate(lines):
            pen.text((left, LINE + height + 4 + number * LINE), line, fill=colour, font=font)
    return row


def _title(script: Script) -> str:
    cameras = " / ".join(dict.fromkeys(shot.camera.kind for shot in script.shots))
    cut = f"{len(script.shots)} shots" if len(script.shots) > 1 else "one shot"
    return f"{script.name}: {script.duration_s:.1f} s, {len(script.events)} events, {cut}, camera {cameras}"


def _describe(script: Script, t: float, width: int, length: Callable[[str], float]) -> list[Line]:
    """What is written under a frame: its time, and the event's caption, in lines that fit."""
    event = script.event_at(t)
    if event is None:
        return [(f"{t:.1f} s", FAINT), (NOTHING, FAINT)]
    span = f"{t:.1f} s of {event.start_s:.1f} - {event.end_s:.1f}"
    ink = HELD_OUT if event.held_out else INK
    return [(span, FAINT), *((line, ink) for line in wrap(event.captions[0], width, length))]


def wrap(text: str, width: float, length: Callable[[str], float]) -> list[str]:
    """Words in lines no longer than `width`, unless a word alone is.

    Args:
        text: words between spaces.
        width: of a line, in the unit of `length`.
        length: of a text.
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and length(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
