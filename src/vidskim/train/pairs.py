"""Videos with sentences, in batches of pairs to learn from and as a whole to be asked; here rendered ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.models.tokenizer import Tokenizer
from vidskim.synth.alike import draw_alike, render_spread
from vidskim.synth.script import Event
from vidskim.synth.vocabulary import ACTIONS, COLOURS, SHAPES, Split
from vidskim.train.data import Source

ALIKE, EXAM = 17, 19  # salts for streams of random numbers, as `scenes` has them
EXAM_LOOKS, EXAM_EACH = 32, 8  # actors and videos of each that are held out


@dataclass(frozen=True)
class Texts:
    """How sentences become token ids.

    Args:
        tokenizer: of the text tower.
        context: most tokens of a sentence.
    """

    tokenizer: Tokenizer
    context: int

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Token ids int64 [b, n], cut to the longest sentence."""
        ids = self.tokenizer.encode(sentences, self.context)
        longest = int((ids == self.tokenizer.end_id).int().argmax(dim=1).max()) + 1
        return ids[:, :longest]


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Videos and sentences that nothing is learnt from.

    Args:
        count: of videos.
        sentences: of all videos.
        owners: number of each one's video.
        read: a video by number, as the model takes it: uint8 [t, y, x, 3]. Raises `VideoError`.
    """

    count: int
    sentences: Sequence[str]
    owners: Sequence[int]
    read: Callable[[int], NDArray[np.uint8]]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """A training's material.

    Args:
        source: batches of "frames" uint8 [b, t, y, x, 3], "ids" int64 [b, n], a sentence of each, and "owners" int64
            [b], equal where pairs show the same.
        batch: pairs in each batch.
        held_out: what the best weights are chosen by.
        digest: what tells this material from other.
        sentences: in one pass over them; None for rendered videos, which have no end.
    """

    source: Source
    batch: int
    held_out: HeldOut
    digest: str
    sentences: int | None


@dataclass(frozen=True, kw_only=True)
class RenderedPairs:
    """A `Source` of rendered videos and their captions; several videos of a batch show one actor in different actions.

    Args:
        texts: how captions become token ids.
        frames: of a video, spread over all of it.
        side: of the square frames in pixels.
        looks: actors in each batch.
        each: videos of each actor.
        seed: of the whole stream.
    """

    texts: Texts
    frames: int
    side: int
    looks: int
    each: int
    seed: int = 0

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`."""
        generator = np.random.default_rng([ALIKE, self.seed, number])
        scripts = draw_alike(Split.TRAIN, generator, looks=self.looks, each=self.each)
        frames = [render_spread(script, frames=self.frames, side=self.side) for script in scripts]
        captions = [script.events[0].captions[0] for script in scripts]
        return {
            "frames": torch.from_numpy(np.stack(frames)),
            "ids": self.texts.encode(captions),
            "owners": torch.tensor([_number_event(script.events[0]) for script in scripts]),
        }


def open_rendered(source: RenderedPairs) -> Pairs:
    """Rendered videos to learn from, and others."""
    held_out = held_out_rendered(frames=source.frames, side=source.side)
    batch = source.looks * source.each
    return Pairs(source=source, batch=batch, held_out=held_out, digest="rendered videos", sentences=None)


def held_out_rendered(
    *,
    frames: int,
    side: int,
    split: Split = Split.VALIDATION,
    looks: int = EXAM_LOOKS,
    each: int = EXAM_EACH,
    seed: int = 0,
) -> HeldOut:
    """Rendered videos, one caption each: several show one actor, told apart by nothing but what it does.

    Args:
        frames: of a video.
        side: of the square frames in pixels.
        split: "validation" to select by, "test" with combinations that are never trained on.
        looks: actors.
        each: videos of each.
        seed: of the draw.
    """
    scripts = draw_alike(
        split, np.random.default_rng([EXAM, seed, list(Split).index(split)]), looks=looks, each=each
    )
    return HeldOut(
        count=len(scripts),
        sentences=[script.events[0].captions[0] for script in scripts],
        owners=range(len(scripts)),
        read=lambda number: render_spread(scripts[number], frames=frames, side=side),
    )


def _number_event(event: Event) -> int:
    """The same for events whose captions may be the same."""
    look, action = event.actor.look, str(event.actor.action)
    actor = SHAPES.index(look.shape) * len(COLOURS) + list(COLOURS).index(look.colour)
    return actor * len(ACTIONS) + ACTIONS.index(action)
