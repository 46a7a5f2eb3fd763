"""ResidualViT: P-frames keep a few patches and gain one token made from their I-frame's feature.

Source: Soldan et al., ResidualViT, ICCV 2025.
"""

from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from vidskim.errors import CheckpointError
from vidskim.methods.choose import patch_difference
from vidskim.methods.frames import Batch, Between
from vidskim.methods.selective import Selective
from vidskim.models.cost import tokenizer_macs, vit_macs
from vidskim.models.reduction import Reduction
from vidskim.models.vit import VisionTransformer
from vidskim.video.motion import compensated_difference

TOKENIZER_FILE = "residual_tokenizer.safetensors"


class ResidualTokenizer(nn.Sequential):
    """Feature [b, dim] -> residual token [b, width]: a linear layer, then depth - 1 times ReLU and a linear layer."""

    def __init__(self, *, dim: int, width: int, depth: int = 1) -> None:
        layers: list[nn.Module] = [nn.Linear(dim, width)]
        for _ in range(depth - 1):
            layers += [nn.ReLU(), nn.Linear(width, width)]
        super().__init__(*layers)
        self.depth = depth


def save_tokenizer(path: Path, tokenizer: ResidualTokenizer, *, backbone: str) -> None:
    """Write a distilled tokenizer as float32 safetensors.

    Args:
        path: beside a checkpoint folder's weights under the name `TOKENIZER_FILE`, it is loaded with them.
        tokenizer: on any device.
        backbone: hash of the vision tower it was distilled for (`Checkpoint.weights_hash`).
    """
    state = {
        name: value.detach().float().cpu().contiguous() for name, value in tokenizer.state_dict().items()
    }
    safetensors.torch.save_file(state, path, metadata={"format": "pt", "backbone": backbone})


def read_tokenizer(path: Path, *, backbone: str) -> dict[str, Tensor]:
    """The weights `save_tokenizer` wrote: "0.weight", "0.bias", "2.weight", ...

    Args:
        path: the file.
        backbone: hash of the vision tower that will use them.

    Raises:
        CheckpointError: missing, damaged, or distilled for other weights.
    """
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


@dataclass(frozen=True, kw_only=True)
class Residual(Selective):
    """The residual token carries what the dropped patches would have said.

    Args:
        tokenizer: distilled for the backbone; turns an I-feature into the residual token. Stays in float32.
        std, interleave, keep, threshold, select, seed: see `Selective`.
    """

    tokenizer: ResidualTokenizer = field(metadata={"part": True})
    name = "residual"

    def encode_between(self, trunk: VisionTransformer, batch: Batch) -> Between:
        """Kept patches and the residual token through the same trunk; the class token's feature, nothing added."""
        layout = batch.layout
        tokens = self.tokenizer(batch.anchors.vectors).to(trunk.dtype)  # one for each I-frame

        def encode(rows: Tensor, chosen: Tensor) -> Tensor:
            x = trunk.embed(batch.pixels, chosen, frames=layout.between[rows])
            out: Tensor = trunk(x, InsertToken(tokens[layout.previous[rows]]))
            return out

        needed = self.budget.needs_difference(batch.segments)
        difference = self.difference(trunk, batch, layout.previous) if needed else None
        return self.encode_chosen(trunk, batch, difference, extra=trunk.config.prefix + 1, encode=encode)

    def difference(self, trunk: VisionTransformer, batch: Batch, rows: Tensor) -> Tensor:
        """As `Selective.difference`; with select="residuals" what motion compensation leaves of it."""
        if self.select != "residuals":
            return super().difference(trunk, batch, rows)
        others, grid = batch.layout.anchors[rows], trunk.config.grid
        return patch_difference(
            batch.pixels,
            batch.layout.between,
            others,
            std=self.std,
            grid=grid,
            measure=compensated_difference,
        )

    def macs_between(self, trunk: VisionTransformer, kept: Tensor | None, groups: int) -> int:
        """Kept patches and the residual token through the trunk, and one residual token a group."""
        if kept is None:
            return 0
        counts = (kept >= 0).sum(dim=1).tolist()
        tokens = groups * tokenizer_macs(trunk.config, self.tokenizer.depth)
        return tokens + sum(vit_macs(trunk.config, kept=count, extra=1) for count in counts)
