"""STA on Video Swin: packed windows give what whole maps with hidden keys give, where anything is left."""

from dataclasses import replace

import pytest
import torch
from tests.models import swin_oracle
from tests.models.swin_oracle import mmaction_state, random_swin
from torch import Tensor

from vidskim.evaluate.counter import count_macs
from vidskim.methods.swin_sta import SwinSta
from vidskim.methods.swin_staged import Dropped, to_cells, tokens_of
from vidskim.models.swin import VideoSwin
from vidskim.models.swin_cost import published_swin_macs, swin_macs
from vidskim.models.swin_variants import Size, SwinConfig, video_swin
from vidskim.tokens.propagate import propagate, saliency

TINY = SwinConfig(width=8, depths=(2, 2, 3, 2), heads=(1, 2, 2, 4), window=(2, 3, 3), classes=5)


def dense_masked(model: VideoSwin, pixels: Tensor, trail: tuple[Dropped, ...]) -> tuple[Tensor, list[Tensor]]:
    """Every token of every map computed, those dropped hidden as keys; logits, and the maps each stage begins with."""
    config, state = model.config, mmaction_state(model)
    x, maps = swin_oracle.embed(pixels, state, config), []
    last = config.stage_sizes(tuple(pixels.shape[2:]))[-1]
    alive = None
    for stage, depth in enumerate(config.depths):
        maps.append(x)
        if stage:
            coarse = torch.zeros(len(x), last[0] * last[1] * last[2], dtype=torch.bool)
            coarse = coarse.scatter(1, trail[stage - 1].kept, True).view(-1, *last)
            side = x.shape[2] // last[1]
            alive = coarse.repeat_interleave(side, dim=2).repeat_interleave(side, dim=3)
        for number in range(depth):
            x = swin_oracle.run_block(x, state, config, stage=stage, number=number, alive=alive)
        if stage < 3:
            x = swin_oracle.merge(x, state, config, stage=stage)
    assert alive is not None
    rows = torch.stack([own[there] for own, there in zip(x, alive, strict=True)])
    return swin_oracle.pool(rows, state, config), maps


@pytest.mark.parametrize("windows", ["packed", "filled"])
@pytest.mark.parametrize(
    ("size", "r1"),
    [
        ((8, 96, 96), 16),  # whole windows in every stage
        ((8, 96, 96), 64),
        ((16, 32, 64), 16),
        ((8, 64, 96), 48),  # padding in every stage
        ((8, 64, 64), 32),  # maps smaller than a window
        ((7, 61, 96), 32),  # padding of patches
    ],
)
def test_equal_to_dense_maps_with_hidden_keys(
    size: Size, r1: int, windows: str, generator: torch.Generator
) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(2, 3, *size, generator=generator)
    out, trail = SwinSta(r1=r1, windows=windows).run(model, pixels)  # type: ignore[arg-type]
    expected, _ = dense_masked(model, pixels, trail)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=1e-5)
    assert (out - model(pixels)).abs().max() > 1e-3


def test_cells_are_chosen_by_the_maps_as_merged(generator: torch.Generator) -> None:
    """Selection once more, from the dense maps: mean of a cell's tokens compared, L1 norm of all their values."""
    model = random_swin(TINY, generator)
    pixels = torch.randn(2, 3, 8, 96, 96, generator=generator)
    _, trail = SwinSta(r1=32).run(model, pixels)
    _, maps = dense_masked(model, pixels, trail)
    left = torch.arange(4 * 9).expand(2, -1)
    for dropped, x, groups, backward in zip(trail, maps[1:], (4, 2, 1), (False, True, False), strict=True):
        b, t, rows, _, d = x.shape
        side = rows // 3
        blocks = x.view(b, t, 3, side, 3, side, d)
        mean = blocks.mean(dim=(3, 5)).flatten(1, 3)
        norm = blocks.abs().sum(dim=(3, 5, 6)).flatten(1, 3)
        chosen, _ = propagate(
            mean.gather(1, left[..., None].expand(-1, -1, d)),
            saliency(norm.gather(1, left)[..., None], groups=groups),
            groups=groups,
            r=2,
            backward=backward,
        )
        left = left.gather(1, chosen)
        assert torch.equal(left, dropped.kept)


def test_every_group_loses_the_same_and_what_is_gone_stays_gone(generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(3, 3, 32, 96, 96, generator=generator)
    _, trail = SwinSta(r1=48).run(model, pixels)
    before = [set(range(16 * 9))] * 3
    for dropped, slices in zip(trail, (1, 2, 4), strict=True):
        times = dropped.kept // 9
        assert torch.equal(times // slices, (times // slices).sort(dim=1).values)
        for group in range(16 // slices):
            lost = (
                sum(cell // 9 // slices == group for cell in before[0]) - (times[0] // slices == group).sum()
            )
            assert lost == 3
        now = [set(row) for row in dropped.kept.tolist()]
        assert all(len(cells) == dropped.kept.shape[1] for cells in now)
        assert all(cells < earlier for cells, earlier in zip(now, before, strict=True))
        before = now
    assert [dropped.kept.shape[1] for dropped in trail] == [16 * (9 - 3), 8 * (18 - 9), 4 * (36 - 21)]


def test_dropping_nothing_is_the_model(generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(2, 3, 5, 40, 36, generator=generator)
    out, trail = SwinSta(r1=0).run(model, pixels)
    assert torch.equal(out, model(pixels))
    assert trail == ()
    assert SwinSta(r1=0).macs(TINY, (5, 40, 36)) == swin_macs(TINY, (5, 40, 36))


def test_a_batch_is_its_clips(generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    pixels = torch.randn(3, 3, 16, 96, 96, generator=generator)
    method = SwinSta(r1=48)
    together, trail = method.run(model, pixels)
    for row, clip in enumerate(pixels):
        alone, own = method.run(model, clip[None])
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-5)
        assert torch.equal(own[-1].kept[0], trail[-1].kept[row])


@pytest.mark.parametrize("anchor", ["all", "kept"])
@pytest.mark.parametrize("windows", ["packed", "filled"])
def test_cost_is_what_is_counted(windows: str, anchor: str, generator: torch.Generator) -> None:
    model = random_swin(TINY, generator)
    method = SwinSta(r1=48, windows=windows, anchor=anchor)  # type: ignore[arg-type]
    pixels = torch.randn(2, 3, 16, 96, 128, generator=generator)
    trails = []
    with torch.inference_mode():
        counted = count_macs(lambda: trails.append(method.run(model, pixels)[1]))
    macs = method.macs(TINY, (16, 96, 128), trails[0])
    assert macs == pytest.approx(counted / 2, rel=1e-5)
    filled = method.macs(TINY, (16, 96, 128))
    assert macs == filled if windows == "filled" else macs < filled


@pytest.mark.parametrize(("size", "slices"), [("T", 8), ("S", 8), ("B", 8), ("B", 16)])
@pytest.mark.parametrize("r1", [192, 256, 320])
def test_filled_windows_cost_what_the_paper_pays(size: str, slices: int, r1: int) -> None:
    """Less the pairs that a shift forbids, more the choosing."""
    config, clip = video_swin(size, window=(slices, 7, 7)), (32, 224, 224)
    forbidden = published_swin_macs(config, clip) - swin_macs(config, clip)
    choosing = SwinSta(r1=r1).macs(config, clip) - (published_swin_macs(config, clip, r1=r1) - forbidden)
    assert 0 < choosing < 0.1e9


def test_cells_and_their_tokens(generator: torch.Generator) -> None:
    last, side = (2, 3, 5), 4
    x = torch.arange(2 * 2 * 12 * 20).view(2, 2, 12, 20, 1)
    cells = to_cells(x, last)
    assert cells.shape == (2, 30, 4, 4, 1)
    at = tokens_of(torch.arange(30).expand(2, -1), last, side=side)
    assert torch.equal(x.flatten(1).gather(1, at), cells.flatten(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"r1": -1}, "0 or more; received -1"),
        ({"r1": 2.5}, "0 or more; received 2.5"),
        ({"windows": "packd"}, "unknown windows of method='sta', 'packd'.*Did you mean 'packed'"),
        ({"anchor": "none"}, "unknown anchor 'none'; allowed: all, kept"),
        ({"anchor": {"a": 1}}, "unknown anchor {'a': 1}; allowed: all, kept"),
        ({"windows": {"a": 1}}, "unknown windows of method='sta', {'a': 1}; allowed: filled, packed"),
    ],
)
def test_impossible_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SwinSta(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "r1", "message"),
    [
        ((16, 224, 224), 100, r"multiple of 16 and at most 432 for clips of \(16, 224, 224\), received 100"),
        ((16, 224, 224), 448, "at most 432"),
        ((16, 200, 224), 16, r"multiples of \(8, 32, 32\), received \(16, 200, 224\)"),
        ((12, 224, 224), 16, "multiples of"),
        ((16, 32, 32), 16, "at most 0"),
    ],
)
def test_clips_that_do_not_suit(size: Size, r1: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SwinSta(r1=r1).cells_dropped(video_swin("T"), size)


def test_the_largest_r1_runs(generator: torch.Generator) -> None:
    config = replace(TINY, depths=(1, 1, 1, 1))
    model = random_swin(config, generator)
    pixels = torch.randn(1, 3, 8, 96, 96, generator=generator)
    _, trail = SwinSta(r1=80).run(model, pixels)  # 36 cells of four slices, 7 * 5 of them go
    assert trail[-1].kept.shape == (1, 1)
