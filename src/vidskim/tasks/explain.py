"""What a method did with a video: the states of all frames' patches, and what they cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vidskim.methods.residual import shrink
from vidskim.models.cost import vit_macs
from vidskim.pipeline.classifier import VideoClassifier
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.features import Features, Trace
from vidskim.pipeline.single import read_blocks
from vidskim.pipeline.stream import Block
from vidskim.tasks.patch_picture import Picture
from vidskim.tasks.patch_state import FATES, MERGED, PatchState, Stretch, read_states, token_shares
from vidskim.video.clip import Clip
from vidskim.video.prepare import Preparation
from vidskim.video.read import iter_video

_UNTOLD = ("seed", "tokenizer")


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a method did with the frames of one video.

    Args:
        method: its name and settings, "reuse, interleave 2, keep 0.15".
        states: one for each frame sampled, in order.
        macs: multiply-accumulates the encoder spent.
        full_macs: what the full encoder spends on the same frames.
        looks_ahead: whether P-frames also lean on the I-frame after them.
        anchor_tokens: how many tokens stand for each I-frame's patches in the end; none where it is one a patch.
    """

    method: str
    states: Sequence[PatchState]
    macs: int
    full_macs: int
    looks_ahead: bool
    anchor_tokens: Sequence[int] = ()

    @property
    def share(self) -> float:
        """Of the full encoder's MACs."""
        return self.macs / self.full_macs

    def total(self, fate: int) -> int:
        """Patches of all frames with this fate."""
        return sum(state.count(fate) for state in self.states)

    def summary(self) -> str:
        """How many frames, and what was spent, in a line."""
        fate = "left as tokens" if self.total(MERGED) else "computed"
        anchors = sum(state.kind == "I" for state in self.states)
        return (
            f"{len(self.states)} frames, {anchors} I + {len(self.states) - anchors} P; "
            f"{token_shares(self.states).mean():.0%} of the patches {fate}, {self.share:.0%} of the full "
            f"encoder's MACs ({self.macs / 1e9:.2f} of {self.full_macs / 1e9:.2f} G)"
        )

    def merging(self) -> str:
        """How far I-frames are merged, "merged to 24..31 of 49 tokens"; empty where they are not."""
        patches = max(state.fates.size for state in self.states)
        if not self.anchor_tokens or min(self.anchor_tokens) == patches:
            return ""
        least, most = min(self.anchor_tokens), max(self.anchor_tokens)
        span = f"{least}" if least == most else f"{least}..{most}"
        return f"merged to {span} of {patches} tokens"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: the whole, and each frame's counts."""
        return {
            "method": self.method,
            "macs": self.macs,
            "full_macs": self.full_macs,
            "share": self.share,
            "anchor_tokens": list(self.anchor_tokens),
            "patches": {name: self.total(fate) for fate, name in enumerate(FATES)},
            "frames": [state.to_json() for state in self.states],
        }

    def groups(self) -> list[list[PatchState]]:
        """Each I-frame with its P-frames, and with the I-frame after them if they lean on it; else frame by frame."""
        starts = [place for place, state in enumerate(self.states) if state.kind == "I"]
        starts = starts or list(range(len(self.states)))
        found = []
        for start, stop in zip(starts, [*starts[1:], len(self.states)], strict=True):
            closing = self.looks_ahead and stop - start > 1
            found.append(list(self.states[start : stop + closing]))
        return found


def explain_file(
    path: Path,
    encoder: VideoEncoder,
    *,
    fps: float | None = 3.0,
    start_s: float | None = None,
    end_s: float | None = None,
) -> Explanation:
    """Encode a video, or a part of it as if it were all, and note what became of every patch.

    Args:
        path: a local file of any length.
        encoder: its model and method.
        fps: frames per second to sample, None for every frame.
        start_s: leave out what is before this time on the file's clock.
        end_s: leave out what is at or after this time.

    Raises:
        VideoError: it cannot be read.
        SettingsError: fps or a time is out of range.
    """
    observer = _Observer(encoder)
    read = partial(iter_video, start_s=start_s, end_s=end_s)
    blocks = observer.watch(read_blocks(path, encoder, fps=fps, read=read))
    states: list[PatchState] = []
    tokens: list[int] = []
    macs, config = 0, encoder.trunk.config
    for _, features, trace in encoder.trace_stream(blocks):
        states += observer.take(features, trace)
        macs += features.macs
        if trace.anchor_tokens is not None:
            tokens += (trace.anchor_tokens - config.prefix).tolist()
    full_macs = len(states) * vit_macs(config)
    return Explanation(describe_method(encoder), states, macs, full_macs, encoder.method.lookahead, tokens)


def describe_method(model: VideoEncoder | VideoClassifier) -> str:
    """A method's name and the settings that are in force, "reuse, interleave 2, keep 0.15"."""
    settings = model.fingerprint.settings.items()
    told = [f"{name} {value}" for name, value in settings if value is not None and name not in _UNTOLD]
    return ", ".join([model.method.name, *told])


def read_pictures(path: Path, encoder: VideoEncoder, states: Sequence[PatchState]) -> Iterator[Picture]:
    """The frames of some states as the encoder sees them: resized and cropped, P-frames as small as it has them.

    Args:
        path: the file they come from.
        encoder: what prepares them.
        states: at increasing times.

    Yields:
        uint8 [y, x, 3].

    Raises:
        VideoError: it cannot be read.
    """

    def read(file: Path, **options: Any) -> Iterator[Clip]:
        times = [state.time_s for state in states]
        return iter_video(file, **{**options, "times_s": times, "motion": False})  # nothing is chosen here

    side, number = {"I": encoder.trunk.config.image, "P": encoder.between.image}, 0
    for block in read_blocks(path, encoder, fps=None, read=read):
        for pixels in block.prepared.pixels:
            (picture,) = as_seen(shrink(pixels[None], side[states[number].kind]), encoder.preparation)
            number += 1
            yield picture


def as_seen(pixels: Tensor, preparation: Preparation) -> npt.NDArray[np.uint8]:
    """Prepared frames [t, 3, y, x] as pictures, uint8 [t, y, x, 3]: the normalisation undone."""
    mean, std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (preparation.mean, preparation.std))
    pictures = (pixels * std + mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
    return pictures.permute(0, 2, 3, 1).contiguous().numpy()


class _Observer:
    """Holds frames on their way through the encoder until it says what it did with them."""

    def __init__(self, encoder: VideoEncoder) -> None:
        self.encoder = encoder
        self.waiting: list[Tensor] = []
        self.before: Stretch | None = None  # the last frame that came out

    def watch(self, blocks: Iterator[Block]) -> Iterator[Block]:
        """The same blocks."""
        for block in blocks:
            self.waiting.append(block.prepared.pixels)
            yield block

    def take(self, features: Features, trace: Trace) -> list[PatchState]:
        """States of the frames that came out."""
        waiting = torch.cat(self.waiting)
        pixels, rest = waiting[: len(features)], waiting[len(features) :]
        self.waiting = [rest]
        times, kinds, first = features.times_s, features.kinds, 0
        if self.before is not None:
            pixels = torch.cat([self.before.pixels, pixels])
            times = np.concatenate([self.before.times_s, times])
            kinds = np.concatenate([self.before.kinds, kinds])
            first = self.before.first
        stretch = Stretch(pixels, times, kinds, first, led=self.before is not None)
        last = first + len(pixels) - 1
        self.before = Stretch(pixels[-1:].clone(), times[-1:], kinds[-1:], last, led=False)
        encoder = self.encoder
        std, grid, between = encoder.preparation.std, encoder.trunk.config.grid, encoder.between.grid
        return read_states(stretch, trace, encoder.method, std=std, grid=grid, between=between)
