"""Clips of the synthetic world's actions: what a classifier can be trained on, and asked, without any file."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vidskim.synth.actions import action_number, draw_action, render_action
from vidskim.synth.vocabulary import Split

WINDOWS = 15  # a salt for its stream of random numbers, as `scenes` has them
SHORTEST_WINDOW = 0.8  # of a video; "one" view of a file sees as much


@dataclass(frozen=True, kw_only=True)
class ActionClips:
    """A `Source` of rendered clips: each shows another video, or most of it.

    Args:
        frames: of a clip.
        side: of the square frames in pixels.
        batch: clips in each batch.
        split: whose videos.
        seed: of the whole stream.
    """

    frames: int
    side: int
    batch: int
    split: Split = Split.TRAIN
    seed: int = 0

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: "clips" uint8 [b, t, y, x, 3] and "labels" int64 [b], places in `ACTIONS`."""
        first = number * self.batch
        scripts = [
            draw_action(self.split, seed=self.seed, number=first + place) for place in range(self.batch)
        ]
        generator = np.random.default_rng([WINDOWS, self.seed, number])
        clips = []
        for script in scripts:
            share = generator.uniform(SHORTEST_WINDOW, 1.0)
            start = generator.uniform(0.0, 1.0 - share)
            clips.append(
                render_action(script, frames=self.frames, side=self.side, start=start, stop=start + share)
            )
        return {
            "clips": torch.from_numpy(np.stack(clips)),
            "labels": torch.tensor([action_number(script) for script in scripts]),
        }
