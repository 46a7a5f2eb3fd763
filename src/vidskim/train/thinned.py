"""Batches whose clips are looked at through a few of their tokens: most of what is learnt, at a part of the cost."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidskim.errors import SettingsError
from vidskim.models.variants import VideoVitConfig
from vidskim.train.data import Source, mix_seed


@dataclass(frozen=True, kw_only=True)
class Thinned:
    """A `Source` that adds to another's first batches which tokens to keep; the later ones are seen in full.

    Half of the tokens kept are those that differ most from the mean of their clip over time, so that few are enough to
    follow what moves; the others are drawn by chance.

    Args:
        source: has "clips".
        config: of the model, which says what a token is.
        keep: share of the tokens, above 0, up to 1.
        until: the first batch that is seen in full.
        seed: of the choice.

    Raises:
        SettingsError: `keep` is out of range.

    Source: after Tong et al., VideoMAE, NeurIPS 2022, which drops tokens first and trains in full at the end.
    """

    source: Source
    config: VideoVitConfig
    keep: float
    until: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise SettingsError(f"keep must be above 0 and at most 1, received {self.keep:g}")

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`, with "kept" int64 [b, m], rising, if it is one of the first."""
        batch = self.source[number]
        if number >= self.until or self.keep == 1:
            return batch
        changes = _token_changes(batch["clips"], self.config)
        count = max(2, round(self.keep * changes.shape[1]))
        generator = torch.Generator().manual_seed(mix_seed(self.seed, number, purpose="kept"))
        chances = torch.rand(changes.shape, generator=generator)
        most = changes.topk(count // 2, dim=1).indices
        rest = chances.scatter(1, most, -1.0).topk(count - count // 2, dim=1).indices
        return {**batch, "kept": torch.cat([most, rest], dim=1).sort(dim=1).values}


def _token_changes(clips: Tensor, config: VideoVitConfig) -> Tensor:
    """How far each token's pixels are from their mean over the clip: uint8 [b, t, y, x, 3] -> float32 [b, n]."""
    b, t, y, x, _ = clips.shape
    gt, gy, gx = config.grid(t, y, x)
    pixels = clips.float().mean(dim=4)
    away = (pixels - pixels.mean(dim=1, keepdim=True)).abs()
    cells = away.reshape(b, gt, config.tubelet, gy, config.patch, gx, config.patch)
    return cells.mean(dim=(2, 4, 6)).reshape(b, gt * gy * gx)
