"""Title, legend and timeline around the frames."""

from dataclasses import replace
from typing import Any

import numpy as np

from vidskim.tasks.explain import Explanation
from vidskim.tasks.patch_picture import PAPER
from vidskim.tasks.patch_sheet import LEAST_WIDTH, LEGEND, MARGIN, draw_legend, lay_sheet
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, REUSED
from vidskim.tasks.patch_timeline import BARS, SHOWN
from vidskim.tasks.patch_timeline import HEIGHT as TIMELINE

MakeState = Any  # see conftest


def explain(make_state: MakeState, other: int, *, looks_ahead: bool = False) -> Explanation:
    states = [make_state([[COMPUTED] * 2], kind="I"), make_state([[COMPUTED, other]], number=1)]
    return Explanation("method", states, macs=1, full_macs=2, looks_ahead=looks_ahead)


def test_a_sheet_leaves_room_in_the_middle_and_has_even_sides(make_state: MakeState) -> None:
    explanation = explain(make_state, REUSED)
    for body in ((1001, 333), (100, 20)):
        sheet = lay_sheet(explanation, body, title="a title", shown=(1,))
        width, height = sheet.image.size
        assert width % 2 == height % 2 == 0
        assert width - max(LEAST_WIDTH, body[0] + 2 * MARGIN) in (0, 1)
        left, top = sheet.body
        drawn = np.asarray(sheet.image)
        assert (drawn[top : top + body[1], left : left + body[0]] == PAPER).all()
        assert (drawn[:top] != PAPER).any()
        x, y = sheet.timeline
        assert y >= top + body[1]
        assert y + TIMELINE <= height
        assert (drawn[y + BARS + 4, x + sheet.inner - 20] == SHOWN).all()


def test_the_legend_names_what_occurs(make_state: MakeState) -> None:
    def entries(explanation: Explanation) -> int:
        """Swatches in the first line, by their left edges."""
        line = np.asarray(draw_legend(explanation, width=1200, marked=False))[:LEGEND]
        rows = (line[3:19] != PAPER).any(axis=-1)  # y x
        return int((np.diff(rows.all(axis=0).astype(int)) == 1).sum())

    def second_line(explanation: Explanation) -> np.ndarray:
        return np.asarray(draw_legend(explanation, width=1200, marked=False))[LEGEND:]

    plain = explain(make_state, REUSED)
    whole, merged = (replace(plain, anchor_tokens=(tokens,)) for tokens in (2, 1))
    assert (second_line(plain) == second_line(whole)).all()
    assert (second_line(plain) != second_line(merged)).any()
    assert entries(explain(make_state, COMPUTED)) == 1
    assert entries(explain(make_state, DROPPED)) == 2
    assert entries(explain(make_state, MERGED)) == 2
    assert entries(explain(make_state, REUSED)) == 2
    assert entries(explain(make_state, REUSED, looks_ahead=True)) == 3
