"""The page `vidskim demo` writes: one self-contained HTML file with thumbnails and score curves."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidskim.disk import writing
from vidskim.tasks.ground import Grounding

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 150, 44, 22  # of a curve, in pixels

STYLE = """
:root { color-scheme: light dark; --good: #1a8f4a; --bad: #c2410c; --line: #2563eb; --soft: #8883; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem } h2 { margin-top: 2.2rem } small, .quiet { opacity: .72 }
figure { margin: 0; width: 10rem } figure img { width: 100%; border-radius: 4px; display: block }
.row { display: flex; flex-wrap: wrap; gap: .8rem } .good { color: var(--good) } .bad { color: var(--bad) }
figcaption { font-size: .8rem } table { border-collapse: collapse }
td, th { padding: .2rem .8rem .2rem 0; text-align: right }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto } svg text { fill: currentColor }
"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A thumbnail and what stands under it; `good` is None where there is no truth to compare with."""

    frame: NDArray[np.uint8]
    caption: str
    good: bool | None


@dataclass(frozen=True, kw_only=True)
class Section:
    """One query: pictures of what was found and, for a grounding, the curve.

    Args:
        query: the text.
        verdict: one sentence.
        good: whether the answer is right.
        pictures: best first.
        grounding: the signal, or None for a search.
        truth: start and end of the event in seconds, for a grounding.
    """

    query: str
    verdict: str
    good: bool
    pictures: Sequence[Picture]
    grounding: Grounding | None = None
    truth: tuple[float, float] | None = None


def write_page(
    path: Path, *, summary: str, command: str, sections: Sequence[Section], costs: Sequence[dict[str, Any]]
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: ends in ".html".
        summary: one paragraph at the top.
        command: what to try next.
        sections: searches and groundings.
        costs: a row for each method, with equal keys; the keys are the headings.
    """
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>vidskim demo</title><style>{STYLE}</style><h1>vidskim demo</h1>",
        f"<p class=quiet>{html.escape(summary)}</p>",
        "<p>A search looks for a sentence in all videos, a grounding in one. Green is right: for a search the first "
        "answer's best frame shows the event, for a grounding the first moment overlaps it with IoU (shared time over "
        "joint time) above 0.5. The numbers under pictures are cosines of text and video.</p>",
        f"<p>Go on: <code>{html.escape(command)}</code></p>",
        "<h2>What it costs and keeps</h2>",
        _table(costs),
        "<small>MACs: multiply-accumulates, as a share of encoding every frame in full. cosine: of the frames between "
        "full ones, to what the full encoder says. copy and interpolate compute nothing for those frames.</small>",
        *(_section(section) for section in sections),
        "</html>",
    ]
    with writing(path) as file:
        file.write("\n".join(parts).encode())


def _section(section: Section) -> str:
    mark = "good" if section.good else "bad"
    kind = "search" if section.grounding is None else "ground"
    pictures = "".join(_picture(picture) for picture in section.pictures)
    curve = "" if section.grounding is None else draw_curve(section.grounding, truth=section.truth)
    return (
        f"<h2><small>{kind}</small> “{html.escape(section.query)}”</h2>"
        f"<p class={mark}>{html.escape(section.verdict)}</p>{curve}<div class=row>{pictures}</div>"
    )


def _picture(picture: Picture) -> str:
    mark = {None: "", True: " class=good", False: " class=bad"}[picture.good]
    caption = html.escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{_jpeg(picture.frame)}">'
        f"<figcaption{mark}>{caption}</figcaption></figure>"
    )


def _jpeg(frame: NDArray[np.uint8]) -> str:
    from PIL import Image

    image, buffer = Image.fromarray(frame), io.BytesIO()
    image.thumbnail((320, 240))
    image.save(buffer, "JPEG", quality=85)
    return base64.b64encode(buffer.getvalue()).decode()


def _table(rows: Sequence[dict[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def draw_curve(grounding: Grounding, *, truth: tuple[float, float] | None) -> str:
    """Similarity over time as SVG: thin raw, thick smoothed, dashed threshold; true event shaded, best moment below."""
    times, raw, smoothed = grounding.times_s, grounding.signal, grounding.smoothed
    end = max(float(times[-1]), *(moment.end_s for moment in grounding.moments), truth[1] if truth else 0.0)
    low, high = float(min(raw.min(), grounding.threshold)), float(raw.max())
    span = max(high - low, 1e-6)

    def x(t: float) -> float:
        return LEFT + (WIDTH - LEFT - 4) * t / max(end, 1e-6)

    def y(value: float) -> float:
        return 6 + (HEIGHT - BOTTOM - 12) * (1 - (value - low) / span)

    def line(values: NDArray[np.float64], style: str) -> str:
        points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(times, values, strict=True))
        return f'<polyline fill="none" {style} points="{points}"/>'

    def band(start: float, stop: float, top: float, height: float, style: str) -> str:
        return (
            f'<rect x="{x(start):.1f}" y="{top}" width="{x(stop) - x(start):.1f}" height="{height}" {style}/>'
        )

    floor = HEIGHT - BOTTOM
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" font-size="11">']
    if truth:
        parts.append(band(*truth, 0, floor, 'fill="var(--good)" opacity=".18"'))
    if grounding.moments:
        best = grounding.moments[0]
        parts.append(band(best.start_s, best.end_s, floor - 4, 4, 'fill="var(--line)"'))
    parts += [
        line(raw, 'stroke="var(--line)" stroke-width="1" opacity=".4"'),
        line(smoothed, 'stroke="var(--line)" stroke-width="2.5"'),
        f'<path d="M{LEFT} {y(grounding.threshold):.1f}H{WIDTH}" stroke="currentColor" stroke-dasharray="4"/>',
        f'<text x="2" y="{y(high) + 8:.1f}">{high:.2f}</text><text x="2" y="{y(low):.1f}">{low:.2f}</text>',
    ]
    step = 5 if end <= 60 else 30 if end <= 600 else 300
    for t in range(0, int(end) + 1, step):
        parts.append(f'<text x="{x(t):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{t} s</text>')
    parts.append(
        "</svg><br><small>similarity over time: thin as it is, thick smoothed, dashed the threshold; "
        "shaded: the true event; bar: the answer</small>"
    )
    return "".join(parts)
