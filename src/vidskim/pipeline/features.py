"""What encoding gives: vectors with times, kinds and cost, and on request a trace of what was computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from vidskim.errors import SettingsError
from vidskim.fingerprint import Fingerprint


@dataclass(frozen=True)
class Features:
    """Frame features of one video, or of a part of it.

    Args:
        vectors: float32 [t, d] on the CPU, L2-normalised.
        times_s: decoder timestamps in seconds, float64 [t].
        kinds: "I" or "P", [t].
        macs: multiply-accumulates the encoder spent on these frames.
        fingerprint: of the encoder.

    Raises:
        SettingsError: lengths or types do not agree.
    """

    vectors: Tensor
    times_s: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.str_]
    macs: int
    fingerprint: Fingerprint

    def __post_init__(self) -> None:
        t = len(self.vectors)
        if self.vectors.ndim != 2 or self.vectors.dtype != torch.float32:
            received = f"{self.vectors.dtype} {list(self.vectors.shape)}"
            raise SettingsError(f"expected vectors float32 [t, d], received {received}")
        if self.times_s.shape != (t,) or self.kinds.shape != (t,):
            shapes = f"{list(self.times_s.shape)} and {list(self.kinds.shape)}"
            raise SettingsError(f"expected times_s and kinds of shape [{t}], received {shapes}")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        t, d = self.vectors.shape
        anchors = int((self.kinds == "I").sum())
        span = f"{self.times_s[0]:.2f}..{self.times_s[-1]:.2f} s" if t else "empty"
        return f"Features({t} x {d}, {span}, {anchors} I + {t - anchors} P, {self.macs / 1e9:.2f} GMAC)"

    @classmethod
    def concatenate(cls, parts: Sequence["Features"]) -> "Features":
        """Parts of one video in order, as one.

        Raises:
            SettingsError: no parts, or parts of different encoders.
        """
        if not parts:
            raise SettingsError("nothing to concatenate")
        if any(part.fingerprint != parts[0].fingerprint for part in parts):
            raise SettingsError("the parts were made by different encoders")
        return cls(
            torch.cat([part.vectors for part in parts]),
            np.concatenate([part.times_s for part in parts]),
            np.concatenate([part.kinds for part in parts]),
            sum(part.macs for part in parts),
            parts[0].fingerprint,
        )


@dataclass(frozen=True)
class Trace:
    """What was computed in the P-frames, and how far I-frames were merged.

    Args:
        frames: the P-frames' numbers in the video, int64 [p].
        links: numbers of the I-frames before and after that each leans on, int64 [p, 2]; twice the same for one.
        kept: patches recomputed, numbered row-major from 0 in order of falling score, int64 [p, k]; padded with -1.
        scores: what they were chosen by, float32 [p, patches], or None where they were not chosen by scores.
        slots: where tokens are merged, the slot each patch sits in after each block, int64 [p, layers, patches];
            patches that share a slot are one token. None where nothing is merged.
        anchor_tokens: how many tokens each I-frame ends with, the class token among them, int64 [a]; None where the
            method never merges them.
    """

    frames: Tensor
    links: Tensor
    kept: Tensor
    scores: Tensor | None
    slots: Tensor | None = None
    anchor_tokens: Tensor | None = None

    @classmethod
    def concatenate(cls, parts: Sequence["Trace"]) -> "Trace":
        """Parts of one video in order, as one."""
        width = max((part.kept.shape[1] for part in parts), default=0)
        kept = [pad(part.kept, (0, width - part.kept.shape[1]), value=-1) for part in parts]
        scores = [part.scores for part in parts if part.scores is not None]
        slots = [part.slots for part in parts if part.slots is not None]
        tokens = [part.anchor_tokens for part in parts if part.anchor_tokens is not None]
        return cls(
            torch.cat([part.frames for part in parts]) if parts else torch.empty(0, dtype=torch.int64),
            torch.cat([part.links for part in parts]) if parts else torch.empty(0, 2, dtype=torch.int64),
            torch.cat(kept) if kept else torch.empty(0, 0, dtype=torch.int64),
            torch.cat(scores) if scores else None,
            torch.cat(slots) if slots else None,
            torch.cat(tokens) if tokens else None,
        )
