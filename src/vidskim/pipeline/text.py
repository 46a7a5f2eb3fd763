"""TextEncoder: sentences to vectors that compare with frames, without the image tower."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vidskim.errors import CheckpointError
from vidskim.models.text import TextTransformer
from vidskim.models.tokenizer import Tokenizer
from vidskim.models.vit import unit

BATCH = 256


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A text tower with its tokenizer.

    Args:
        tower: the text tower, or None if the checkpoint has none.
        tokenizer: or None if no tokenizer files came with it.
        model: what to call the checkpoint in messages.
        dim: width of a vector.
        weights: hash of the vision tower that the texts compare with, as in its fingerprint.
        min_score: cosine of text and frame below which nothing matches, where it is known.
        words: most tokens of a text, as an adapter inside the weights was trained; None is what the tower takes.
    """

    tower: TextTransformer | None
    tokenizer: Tokenizer | None
    model: str
    dim: int
    weights: str
    min_score: float | None = None
    words: int | None = None

    @property
    def context(self) -> int:
        """Most tokens of a text, start and end tokens counted; longer ones are cut.

        Raises:
            CheckpointError: as `encode_text`.
        """
        most = self._parts()[0].config.context
        return most if self.words is None else min(self.words, most)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Text vectors, L2-normalised float32 [n, d], comparable with the frames'.

        Raises:
            CheckpointError: the checkpoint has no text tower, or no tokenizer came with it.
        """
        tower, tokenizer = self._parts()
        ids = tokenizer.encode(texts, self.context).to(tower.positions.device)
        with torch.inference_mode():
            parts = [unit(tower(part)).cpu() for part in torch.split(ids, BATCH) if len(part)]
        return torch.cat([torch.empty(0, self.dim), *parts])

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens of these texts the tower reads, start and end tokens counted.

        Raises:
            CheckpointError: as `encode_text`.
        """
        return sum(self._parts()[1].count(texts, self.context))

    def _parts(self) -> tuple[TextTransformer, Tokenizer]:
        if self.tower is None:
            raise CheckpointError(
                f"{self.model} has no text tower; load a CLIP checkpoint to compare video with text"
            )
        if self.tokenizer is None:
            raise CheckpointError(
                "the checkpoint came without tokenizer files; put its tokenizer.json, or vocab.json and merges.txt, "
                "beside the weights, or pass load_model(..., tokenizer=PATH) with those or a bpe_simple_vocab file"
            )
        return self.tower, self.tokenizer
