"""ResidualViT: P-frames keep a few patches and gain one token made from their I-frame's feature.

Source: Soldan et al., ResidualViT, ICCV 2025.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vidskim.errors import CheckpointError, SettingsError
from vidskim.methods.choose import MOVING, Budget, patch_difference
from vidskim.methods.frames import Batch, Between, as_index
from vidskim.methods.merge import check_r, encode_merging
from vidskim.methods.selective import Selective
from vidskim.models.cost import merged_macs, tokenizer_macs, vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.variants import VitConfig
from vidskim.models.vit import VisionTransformer
from vidskim.video.motion import compensated_difference, pixel_difference

TOKENIZER_FILE = "residual_tokenizer.safetensors"


class ResidualTokenizer(nn.Sequential):
    """Feature [b, dim] -> residual token [b, width]: a linear layer, then depth - 1 times ReLU and a linear layer."""

    def __init__(self, *, dim: int, width: int, depth: int = 1) -> None:
        layers: list[nn.Module] = [nn.Linear(dim, width)]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        super().__init__(*layers)
        self.depth = depth


def save_tokenizer(
    path: Path, tokenizer: ResidualTokenizer, *, backbone: str, notes: Mapping[str, str] | None = None
) -> None:
    """Write a distilled tokenizer as float32 safetensors.

    Args:
        path: beside a checkpoint folder's weights under the name `TOKENIZER_FILE`, it is loaded with them.
        tokenizer: on any device.
        backbone: hash of the vision tower it was distilled for (`Checkpoint.weights_hash`).
        notes: for the header: how it was trained.
    """
    state = {
        name: value.detach().float().cpu().contiguous() for name, value in tokenizer.state_dict().items()
    }
    safetensors.torch.save_file(state, path, metadata={**(notes or {}), "format": "pt", "backbone": backbone})


def read_tokenizer(path: Path, *, backbone: str) -> dict[str, Tensor]:
    """The weights `save_tokenizer` wrote: "0.weight", "0.bias", "2.weight", ...

    Args:
        path: the file.
        backbone: hash of the vision tower that will use them.

    Raises:
        CheckpointError: missing, damaged, or distilled for other weights.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: there is no such residual tokenizer; `vidskim train distill` writes OUT/{TOKENIZER_FILE}"
        )
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            made_for = (file.metadata() or {}).get("backbone")
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a residual tokenizer in safetensors ({error})") from error
    if made_for != backbone:
        raise CheckpointError(
            f"{path}: this residual tokenizer was distilled for another vision tower ( {(made_for or 'unknown')[:12]}, "
            f"expected {backbone[:12]}); distil one for this model: vidskim train distill --model MODEL --out FOLDER"
        )
    return state


class InsertToken(Reduction):
    """Puts the residual token behind the class token; it has no position."""

    def __init__(self, token: Tensor) -> None:
        self.token = token

    def begin(self, x: Tensor) -> Tensor:
        """[b, n, d] -> [b, 1 + n, d]."""
        return torch.cat([x[:, :1], self.token[:, None], x[:, 1:]], dim=1)


@dataclass(frozen=True)
class Student:
    """A vision tower for P-frames that is not the I-frames' own.

    Args:
        tower: its features have the same width.
        model: its architecture in short.
        weights: hash of its tensors as stored.
    """

    tower: VisionTransformer
    model: str
    weights: str


@dataclass(frozen=True, kw_only=True)
class Residual(Selective):
    """The residual token carries what the dropped patches would have said.

    Args:
        tokenizer: distilled for the backbone; turns an I-feature into the residual token. Stays in float32.
        student: the tower P-frames go through; None is the I-frames' own.
        token: whether there is a residual token; without it, P-frames are told nothing of their I-frame.
        r: if set, no patch is dropped, and this many tokens are merged in each block.
        resolution: side of the P-frames in pixels, if it is not the tower's.
        interleave: P-frames for each I-frame, N.
        keep: share of patches, see `Budget`.
        std, threshold, select, seed: see `Selective`.

    Raises:
        SettingsError: a value is out of range, or two settings exclude each other.
    """

    interleave: int = 2
    keep: float = 0.15

    tokenizer: ResidualTokenizer | None = field(default=None, metadata={"part": True})
    student: Student | None = field(default=None, metadata={"part": True})
    token: bool = True
    r: int | None = None
    resolution: int | None = None
    name = "residual"

    def __post_init__(self) -> None:
        _ = self.selection  # checks the settings it is made of
        if self.token and self.tokenizer is None:
            raise SettingsError("a residual token needs its tokenizer; token=False does without")
        if self.r is not None:
            check_r(self.r)

    @property
    def selection(self) -> Budget:
        """How patches are chosen; motion maps are not brought to a smaller grid, so "auto" measures the pixels."""
        auto = self.select == "auto" and self.resolution is not None
        return Budget("difference" if auto else self.select, self.keep, self.threshold, self.seed)

    @property
    def asks_motion(self) -> bool | Literal["signed"]:
        """As `Selective.asks_motion`, and never where nothing is chosen."""
        return self.r is None and super().asks_motion

    @property
    def uses_motion(self) -> bool:
        """Whether the motion of a clip makes a difference."""
        return self.r is None and self.selection.select in MOVING

    @property
    def idle(self) -> tuple[str, ...]:
        """Settings that are not in force: a threshold takes the place of a fixed share, merging that of choosing."""
        if self.r is not None:
            return ("keep", "threshold", "select", "seed")
        return () if self.threshold is None else ("keep",)

    def between(self, config: VitConfig) -> VitConfig:
        """The tower P-frames go through, at the side they have.

        Raises:
            SettingsError: they would be larger than I-frames, or chosen by motion on another grid.
        """
        own = config if self.student is None else self.student.tower.config
        own = own if self.resolution is None else replace(own, image=self.resolution)
        if own.image > config.image:
            raise SettingsError(
                f"P-frames of {own.image} pixels would be larger than I-frames of {config.image}; "
                f"give resolution={config.image} or less"
            )
        if own.image != config.image and self.select in ("motion", "motion-signed"):
            raise SettingsError(
                f"select={self.select!r} needs P-frames as large as I-frames, {config.image} pixels; received "
                f'{own.image}. Use select="difference"'
            )
        return own

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """Few tokens and the residual token through the tower; the class token's feature, nothing added."""
        layout = batch.layout
        tower = trunk if self.student is None else self.student.tower
        tower = tower.resized(self.between(trunk.config).image)
        batch = replace(batch, pixels=shrink(batch.pixels, tower.config.image))
        tokens = None
        if self.token and self.tokenizer is not None:
            tokens = self.tokenizer(batch.anchors.vectors).to(tower.dtype)  # one for each I-frame

        def insert(x: Tensor, rows: Tensor) -> Tensor:
            return x if tokens is None else InsertToken(tokens[layout.previous[rows]]).begin(x)

        def embed(rows: Tensor) -> Tensor:
            return insert(tower.embed(batch.pixels[as_index(layout.between[rows])]), rows)

        def enter(rows: Tensor, chosen: Tensor) -> tuple[Tensor, Reduction]:
            return insert(tower.embed(batch.pixels, chosen, frames=layout.between[rows]), rows), Reduction()

        extra = tower.config.prefix + self.token
        if self.r is not None:
            frames = len(layout.between)
            vectors, slots = encode_merging(tower, embed, frames, r=self.r, protected=extra)
            return Between(vectors, torch.arange(tower.config.patches).expand(frames, -1), slots=slots)
        difference, grid = None, tower.config.grid
        if self.selection.needs_difference(batch.segments):
            difference = self._difference(batch, grid)
        kept, counts, scores = self.selection.choose(layout, batch.segments, grid, difference)
        return Between(self.encode_rows(tower, kept, counts, extra=extra, enter=enter), kept, scores)

    def _difference(self, batch: Batch, grid: int) -> Tensor:
        """Change of the P-frames' patches against their I-frames, or what motion compensation leaves of it: [p, n]."""
        return patch_difference(
            batch.pixels,
            batch.layout.between,
            batch.layout.anchors[batch.layout.previous],
            std=self.std,
            grid=grid,
            measure=compensated_difference if self.select == "residuals" else pixel_difference,
        )

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """The P-frames' tokens through their tower, and one residual token a group."""
        if kept is None:
            return 0
        config, extra = self.between(trunk.config), int(self.token)
        tokens = (
            0 if self.tokenizer is None else groups * tokenizer_macs(config, self.tokenizer.depth) * extra
        )
        if self.r is not None:
            return tokens + len(kept) * merged_macs(config, r=self.r, extra=extra)
        counts = (kept >= 0).sum(dim=1).tolist()
        return tokens + sum(vit_macs(config, kept=count, extra=extra) for count in counts)


def shrink(pixels: Tensor, side: int) -> Tensor:
    """Normalised frames [t, 3, y, x] at another side, bilinearly and without antialiasing, as ResidualViT has it."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(pixels, size=(side, side), mode="bilinear", align_corners=False)
