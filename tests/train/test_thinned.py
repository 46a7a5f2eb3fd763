"""Which tokens a training looks at first."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.models.variants import VideoVitConfig
from vidskim.train.thinned import Thinned

CONFIG = VideoVitConfig(
    width=16,
    layers=1,
    heads=1,
    patch=8,
    tubelet=2,
    frames=4,
    image=32,
    hidden=16,
    classes=2,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-5,
)
TOKENS = 2 * 4 * 4


@dataclass(frozen=True)
class Spots:
    """Clips that stand still but for one patch in their last two frames: token 16 + 6."""

    def __getitem__(self, number: int, /) -> dict[str, Tensor]:
        clips = torch.full((5, 4, 32, 32, 3), 100, dtype=torch.uint8)
        clips[:, 2:, 8:16, 16:24] = 200
        return {"clips": clips, "labels": torch.zeros(5, dtype=torch.int64)}


def thinned(keep: float = 0.25, *, until: int = 3, seed: int = 0) -> Thinned:
    return Thinned(source=Spots(), config=CONFIG, keep=keep, until=until, seed=seed)


def test_what_changes_is_kept_and_the_rest_by_chance() -> None:
    kept = thinned()[0]["kept"]
    assert kept.shape == (5, 8)
    assert (kept.diff(dim=1) > 0).all()  # rising, so none comes twice
    assert ((kept == 22).any(dim=1) & (kept == 6).any(dim=1)).all()  # where it changes, then and before
    assert len({tuple(row) for row in kept.tolist()}) > 1
    assert not torch.equal(kept, thinned()[1]["kept"])
    assert not torch.equal(kept, thinned(seed=1)[0]["kept"])
    assert torch.equal(kept, thinned()[0]["kept"])


def test_later_batches_are_seen_in_full() -> None:
    assert "kept" in thinned()[2]
    assert "kept" not in thinned()[3]
    assert "kept" not in thinned(1.0)[0]


def test_all_but_one_can_be_kept() -> None:
    kept = thinned(31 / 32)[0]["kept"]
    assert kept.shape == (5, TOKENS - 1)
    assert (kept.diff(dim=1) > 0).all()


@pytest.mark.parametrize("keep", [0.0, -0.5, 1.5])
def test_a_share_out_of_range_is_refused(keep: float) -> None:
    with pytest.raises(SettingsError, match=r"keep must be above 0 and at most 1, received"):
        thinned(keep)
