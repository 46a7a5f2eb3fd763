"""Published figures to the printed digits, and what PyTorch counts."""

from dataclasses import replace
from math import prod

import pytest
import torch
from tests.models.swin_oracle import random_swin

from vidskim.evaluate.counter import count_macs
from vidskim.models.swin_cost import published_swin_macs, swin_macs
from vidskim.models.swin_variants import Size, SwinConfig, video_swin
from vidskim.models.window import fit_window

CLIP = (32, 224, 224)
# STA, table 3: GFLOPs (multiply-adds) at r1 = 0, 192, 256, 320
TABLE = {
    ("T", 8): (88, 68, 61, 54),
    ("S", 8): (166, 121, 106, 91),
    ("B", 8): (282, 202, 176, 149),
    ("B", 16): (321, 241, 215, 188),
}


@pytest.mark.parametrize(("size", "slices"), TABLE)
def test_sta_table(size: str, slices: int) -> None:
    config = video_swin(size, window=(slices, 7, 7))
    for r1, printed in zip((0, 192, 256, 320), TABLE[size, slices], strict=True):
        assert abs(published_swin_macs(config, CLIP, r1=r1) / 1e9 - printed) < 1


def test_what_runs_is_less_than_published_by_the_forbidden_pairs() -> None:
    config = video_swin("T")
    saved = 0
    for stage, (t, y, x) in enumerate(config.stage_sizes(CLIP)):
        (w, _, _), (shift, *_) = fit_window((t, y, x), config.window)
        whole = (t * w, y * 7, x * 7)
        # along each axis: whole windows but one, which is cut at the shift
        cut = [(n - 7) * 7 + 3 * 3 + 4 * 4 if n > 7 else 49 for n in (y, x)]
        cut = [(t - w) * w + 2 * shift**2, *cut]
        saved += 2 * config.stage_width(stage) * (config.depths[stage] // 2) * (prod(whole) - prod(cut))
    assert published_swin_macs(config, CLIP) - swin_macs(config, CLIP) == saved
    assert round(swin_macs(config, CLIP) / 1e9, 2) == 83.95


@pytest.mark.parametrize("size", [(16, 48, 48), (11, 45, 31), (20, 8, 40)])
def test_closed_formula_is_the_count(size: Size, generator: torch.Generator) -> None:
    config = SwinConfig(
        width=8, depths=(2, 3, 2), heads=(1, 2, 2), window=(4, 3, 3), patch=(2, 4, 4), classes=5
    )
    for classes in (5, None):
        model = random_swin(replace(config, classes=classes), generator)
        pixels = torch.randn(2, 3, *size, generator=generator)
        with torch.inference_mode():
            counted = count_macs(lambda model=model, pixels=pixels: model(pixels))
        assert counted == 2 * swin_macs(model.config, size)
