"""A VideoMAE that was pre-trained and not fine-tuned: its encoder under a new head, to be trained."""

from collections.abc import Mapping

import torch
from torch import Tensor

DECODING = (
    "decoder.",
    "encoder_to_decoder.",
    "mask_token",
    "position_embeddings",
    "videomae.position_embeddings",
)
_AUTHORS, _HF = "encoder.blocks.0.attn.qkv.weight", "videomae.encoder.layer.0.layernorm_before.weight"
# The norm after the last block is of each token there, and of the mean of all in a classifier, which begins its own.
_LAST_NORMS = ("encoder.norm.", "videomae.layernorm.")


def is_pretrained(state: Mapping[str, Tensor]) -> bool:
    """Whether stored tensors are of a model that fills in what is hidden, its authors' or Hugging Face's."""
    return any(name.startswith("decoder.") for name in state) and (_AUTHORS in state or _HF in state)


def put_head(state: Mapping[str, Tensor], *, classes: int) -> dict[str, Tensor]:
    """The same encoder as a classifier's tensors, in the layout they had.

    Args:
        state: of a model for which `is_pretrained` holds.
        classes: of the head, whose weights are zeros.
    """
    theirs = _AUTHORS in state
    kept = {
        name.removeprefix("encoder.") if theirs else name: value
        for name, value in state.items()
        if not name.startswith(DECODING + _LAST_NORMS)
    }
    width = state[_AUTHORS if theirs else _HF].shape[-1]
    head = "head" if theirs else "classifier"
    return {
        **kept,
        "fc_norm.weight": torch.ones(width),
        "fc_norm.bias": torch.zeros(width),
        f"{head}.weight": torch.zeros(classes, width),
        f"{head}.bias": torch.zeros(classes),
    }
