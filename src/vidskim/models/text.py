"""CLIP's text tower: the same blocks, with causal attention."""

import torch
from torch import Tensor, nn

from vidskim.models.block import Block
from vidskim.models.linear import Linear
from vidskim.models.reduction import CausalAttention
from vidskim.models.variants import TextConfig


class TextTransformer(nn.Module):
    """Token ids to one vector a text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        d = config.width
        self.tokens = nn.Embedding(config.vocabulary, d)
        self.positions = nn.Parameter(torch.zeros(config.context, d))
        self.blocks = nn.ModuleList(
            Block(
                width=d,
                heads=config.heads,
                hidden=config.hidden,
                activation=config.activation,
                eps=config.eps,
            )
            for _ in range(config.layers)
        )
        self.norm_post = nn.LayerNorm(d, eps=config.eps)
        self.projection = Linear(d, config.embed, bias=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Token ids [b, n], padded after the end token, n up to the context -> features [b, embed], not normalised."""
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        causal = CausalAttention()
        for layer, block in enumerate(self.blocks):
            x = block(x, layer=layer, reduction=causal)
        # padding comes after the end token and attention is causal, so it never reaches this state
        end_id = self.config.end_id
        end = ids.argmax(dim=1) if end_id is None else (ids == end_id).int().argmax(dim=1)
        out: Tensor = self.projection(self.norm_post(x[torch.arange(len(x)), end]))
        return out
