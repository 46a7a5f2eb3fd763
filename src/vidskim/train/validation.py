"""How well a residual tokenizer does on footage it never saw, beside what costs nothing and at equal total cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vidskim.evaluate.fidelity import Fidelity, at_equal_cost, compare
from vidskim.methods.baseline import Copy, Interpolate
from vidskim.methods.frames import FrameMethod
from vidskim.methods.residual import Residual, ResidualTokenizer
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.features import Features
from vidskim.train.footage import Run
from vidskim.train.ranges import Ranges
from vidskim.train.scenes import draw_run
from vidskim.video.prepare import normalise

MOST_FRAMES = 360  # of all clips together; longer ones are cut, so that a validation stays short
FEWEST_FRAMES = 12  # of a clip that is cut
SHARES = (0.35, 0.45, 0.5)
INTERLEAVES, KEEPS = (1, 2, 3, 5), (0.1, 0.15, 0.3)
SCENES, SCENE_FRAMES, SCENE_SEED = 16, 9, 1_000_003


@dataclass(frozen=True)
class HeldOut:
    """Frames of one video that is not trained on: uint8 [t, y, x, 3] and their times in seconds [t]."""

    name: str
    frames: NDArray[np.uint8]
    times_s: NDArray[np.float64]


class Validation:
    """Compares a tokenizer with the baselines, as inference runs both.

    Args:
        clips: held out from the training.
        encoder: the full encoder.
        ranges: what the tokenizer is trained for; numbers for P-frames alone are at the setting of these that is
            nearest to N = 2 and keep 0.15.
    """

    def __init__(self, clips: Sequence[HeldOut], *, encoder: VideoEncoder, ranges: Ranges) -> None:
        self.encoder, self.ranges = encoder, ranges
        most = max(FEWEST_FRAMES, MOST_FRAMES // len(clips))
        self.clips = {
            clip.name: replace(clip, frames=clip.frames[:most], times_s=clip.times_s[:most]) for clip in clips
        }
        self.std = torch.tensor(encoder.preparation.std)
        self.full = {name: self._encode(encoder, name) for name in self.clips}
        self.interleave = int(np.clip(2, *ranges.interleave))
        self.keep = float(np.clip(0.15, *ranges.keep))
        no_token = Residual(
            token=False, std=self.std, interleave=self.interleave, keep=self.keep, select="difference"
        )
        self.baselines = {
            "no_token": self._between(no_token),
            "copy": self._between(Copy(interleave=self.interleave)),
            "interpolate": self._between(Interpolate(interleave=self.interleave)),
        }
        self.free = {
            "copy": self._curves([("N", Copy(interleave=n)) for n in INTERLEAVES]),
            "interpolate": self._curves([("N", Interpolate(interleave=n)) for n in INTERLEAVES]),
        }

    def between(self, tokenizer: ResidualTokenizer) -> dict[str, float]:
        """Mean cosine of P-frames to the full encoder, patches kept by change and by chance, with the baselines."""
        return {
            "cosine": self._between(self._residual(tokenizer, self.interleave, self.keep, "difference")),
            "cosine_random": self._between(self._residual(tokenizer, self.interleave, self.keep, "random")),
            **{f"cosine_{name}": value for name, value in self.baselines.items()},
        }

    def report(self, tokenizer: ResidualTokenizer) -> dict[str, Any]:
        """`between`, and all frames at equal total cost: share of the full MACs -> method -> mean cosine."""
        low, high = self.ranges.interleave
        least, most = self.ranges.keep
        keeps = sorted({keep for keep in KEEPS if least <= keep <= most} | {least, most})
        runs = [
            (f"N={n}, keep", self._residual(tokenizer, n, keep, "difference"))
            for n in sorted({n for n in INTERLEAVES if low <= n <= high} | {low, high})
            for keep in keeps
        ]
        families = {"residual": self._curves(runs), **self.free}
        equal_cost = {
            f"{share:g}": {family: at_equal_cost(curves, share)[:2] for family, curves in families.items()}
            for share in SHARES
        }
        return {
            "interleave": self.interleave,
            "keep": self.keep,
            "between": self.between(tokenizer),
            "equal_cost": {
                share: {
                    name: {"curve": label, "cosine": None if label is None else cosine}
                    for name, (label, cosine) in row.items()
                }
                for share, row in equal_cost.items()
            },
        }

    def _residual(
        self, tokenizer: ResidualTokenizer, interleave: int, keep: float, select: str
    ) -> FrameMethod:
        return Residual(tokenizer=tokenizer, std=self.std, interleave=interleave, keep=keep, select=select)

    def _curves(
        self, runs: Sequence[tuple[str, FrameMethod]]
    ) -> Mapping[str, Mapping[str, Sequence[Fidelity]]]:
        """Label of a curve -> clip -> a point for each of its settings."""
        curves: dict[str, dict[str, list[Fidelity]]] = defaultdict(lambda: defaultdict(list))
        for label, method in runs:
            for name, fidelity in self._measure(method).items():
                curves[label][name].append(fidelity)
        return curves

    def _between(self, method: FrameMethod) -> float:
        """Mean over clips of the mean over their P-frames."""
        return float(np.nanmean([fidelity.between for fidelity in self._measure(method).values()]))

    def _measure(self, method: FrameMethod) -> dict[str, Fidelity]:
        fingerprint = replace(self.encoder.fingerprint, method=method.name)
        variant = VideoEncoder(
            self.encoder.trunk, method, preparation=self.encoder.preparation, fingerprint=fingerprint
        )
        return {name: compare(full, self._encode(variant, name)) for name, full in self.full.items()}

    def _encode(self, encoder: VideoEncoder, name: str) -> Features:
        clip = self.clips[name]
        pixels = normalise(np.array(clip.frames), encoder.preparation)  # a mapped file is not writable
        return encoder.encode_pixels(pixels, times_s=clip.times_s)


def held_out_footage(runs: Sequence[Run]) -> list[HeldOut]:
    """Runs as clips; those of a single frame have no P-frame and are left out."""
    return [
        HeldOut(
            run.video.name,
            run.video.frames()[run.first : run.stop],
            run.video.times_s()[run.first : run.stop],
        )
        for run in runs
        if len(run) > 1
    ]


def held_out_scenes(*, image: int, fps: float) -> list[HeldOut]:
    """Rendered scenes that no training draws."""
    clips = []
    for number in range(SCENES):
        generator = np.random.default_rng([SCENE_SEED, number])
        frames = draw_run(generator, count=SCENE_FRAMES, fps=fps, image=image)
        clips.append(HeldOut(f"scene {number}", frames, np.arange(SCENE_FRAMES) / fps))
    return clips
