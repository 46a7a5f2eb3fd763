"""The picture, and the line in it."""

from pathlib import Path

from PIL import Image

from vidskim.evaluate.calibrate import Measurement
from vidskim.evaluate.pareto import front, plot_pareto


def test_the_front_is_what_nothing_beats(measured: list[Measurement]) -> None:
    by_share = front(measured, lambda one: one.share)
    assert [one.share for one in by_share] == [0.33, 0.38, 0.39, 1.0]
    assert front(measured[3:4] * 2, lambda one: one.share) == [measured[3]]
    assert front([], lambda one: one.share) == []


def test_a_picture_is_written(tmp_path: Path, measured: list[Measurement]) -> None:
    for chosen in (measured[3], None):
        path = tmp_path / f"{chosen is None}" / "pareto.png"
        plot_pareto(measured, path, chosen=chosen, budget=0.4, title="a $ and a _")
        with Image.open(path) as picture:
            assert picture.size == (1440, 672)
            colours = {colour for _, colour in picture.convert("RGB").getcolors(maxcolors=1 << 24) or []}
        reds = [1 for red, green, blue in colours if red > 180 and green < 110 and blue < 110]  # type: ignore[misc]
        assert reds, "the budget"
