"""The model of a retrieval training: a CLIP whose frames see each other, with what of it learns."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vidskim.methods.tempme import TempMe, mean_of_frames
from vidskim.models.adapter import Adapter
from vidskim.models.lora import add_lora, read_lora
from vidskim.models.text import TextTransformer
from vidskim.models.vit import VisionTransformer, unit
from vidskim.video.prepare import Preparation


class Retriever(nn.Module):
    """Videos and sentences to vectors.

    Args:
        vision: the frame model.
        text: the text tower beside it.
        method: the plan, and how it is carried out; its clip positions are left out.
        preparation: whose mean and deviation normalise the frames; they come cropped.
        logit_scale: the logarithm of the inverse temperature; it does not learn.
        chunk: videos that are encoded at once; while a chunk's gradients are computed, its activations alone are in
            memory. None encodes all videos of a batch at once and keeps what was computed.
    """

    def __init__(
        self,
        vision: VisionTransformer,
        text: TextTransformer,
        method: TempMe,
        *,
        preparation: Preparation,
        logit_scale: float,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        self.vision, self.text = vision, text
        self.positions = nn.ParameterDict(
            {str(layer): torch.zeros(shape) for layer, shape in method.position_shapes(vision.config).items()}
        )
        self.chunk = chunk
        self._method = method
        self.logit_scale: Tensor
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("logit_scale", torch.tensor(logit_scale), persistent=False)
        self.register_buffer("mean", torch.tensor(preparation.mean) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(preparation.std) * 255, persistent=False)

    @property
    def method(self) -> TempMe:
        """With the clip positions as they are now."""
        return replace(self._method, positions={int(layer): table for layer, table in self.positions.items()})

    def learn(self, tune: str, *, rank: int, position_std: float, seed: int) -> None:
        """Say what learns, and where it begins; clip positions always learn.

        Args:
            tune: "lora" beside frozen weights, or all weights ("full").
            rank: of LoRA.
            position_std: standard deviation of the first clip positions.
            seed: of LoRA and of clip positions.
        """
        generator = torch.Generator().manual_seed(seed)
        for table in self.positions.values():
            nn.init.normal_(table, std=position_std, generator=generator)
        for tower in (self.vision, self.text):
            if tune == "lora":
                add_lora(tower, rank=rank, generator=generator)
            else:
                tower.requires_grad_(True)

    def begin_at(self, positions: Mapping[int, Tensor]) -> None:
        """Let clip positions [clips that enter the block, d], by block, go on from where they are learnt already."""
        with torch.no_grad():
            for layer, table in positions.items():
                if str(layer) in self.positions:
                    self.positions[str(layer)].copy_(table)

    def forward(self, frames: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Videos uint8 [b, t, y, x, 3] and token ids [c, n] -> unit vectors [b, d], [c, d], and inverse temperature."""
        return self.encode_videos(frames), self.encode_texts(ids), self.logit_scale.exp()

    def encode_videos(self, frames: Tensor, method: TempMe | None = None) -> Tensor:
        """Videos uint8 [b, t, y, x, 3] -> unit vectors [b, d], by the method that learns or by another one."""
        encode = partial(self._encode, method or self.method)
        if self.chunk is None:
            return encode(frames)
        if torch.is_grad_enabled():
            encode = partial(checkpoint, encode, use_reentrant=False)
        return torch.cat([encode(frames[n : n + self.chunk]) for n in range(0, len(frames), self.chunk)])

    def encode_texts(self, ids: Tensor) -> Tensor:
        """Token ids [c, n] -> unit vectors [c, d]."""
        return unit(self.text(ids))

    def to_adapter(self) -> Adapter:
        """What has been learnt beside the weights, as it is now."""
        positions = {
            layer: table.detach().float().cpu().clone() for layer, table in self.method.positions.items()
        }
        return Adapter(read_lora(self.vision), read_lora(self.text), positions, self._method.to_record())

    def _encode(self, method: TempMe, frames: Tensor) -> Tensor:
        normal = ((frames.float() - self.mean) / self.std).permute(0, 1, 4, 2, 3)  # b t c y x
        return unit(mean_of_frames(method.run(self.vision, normal.contiguous())[0]))
