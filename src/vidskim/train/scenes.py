"""Single moments of the synthetic world with their captions: what the bundled model is trained on."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidskim.models.tokenizer import Tokenizer
from vidskim.synth.captions import write_caption, write_nothing, write_phrase
from vidskim.synth.draw import draw_event, draw_shot
from vidskim.synth.render import render_frame
from vidskim.synth.script import Event, Script, Shot
from vidskim.synth.vocabulary import Split
from vidskim.train.foreign import write_foreign
from vidskim.train.ranges import Ranges

# A salt for each stream of random numbers, so that no two sources draw the same scenes.
MOMENTS, GROUPS = 11, 12
EMPTY_SHARE = 0.04  # of moments show no actor
PHRASE_SHARE = 0.15  # of captions name the actor only: "a small red star"
MOVING_SHARE = 0.2  # of shots have a camera of the moving-camera set


@dataclass(frozen=True, kw_only=True)
class Moments:
    """A `Source` of images and captions: each shows another event.

    Args:
        tokenizer: of the text tower.
        image: side of the images in pixels.
        context: most tokens of a caption.
        batch: images in each batch.
        foreign: texts in each batch, after the captions, that match no image.
        split: whose combinations are drawn.
        seed: of the whole stream.
    """

    tokenizer: Tokenizer
    image: int
    context: int
    batch: int
    foreign: int = 0
    split: Split = Split.TRAIN
    seed: int = 0

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: "pixels" uint8 [b, y, x, 3] and "ids" int64 [b + foreign, n], cut to the longest text."""
        generator = np.random.default_rng([MOMENTS, self.seed, number])
        drawn = [self._draw(generator) for _ in range(self.batch)]
        texts = [caption for _, caption in drawn] + [write_foreign(generator) for _ in range(self.foreign)]
        ids = self.tokenizer.encode(texts, self.context)
        longest = int((ids == self.tokenizer.end_id).int().argmax(dim=1).max()) + 1
        return {
            "pixels": torch.from_numpy(np.stack([frame for frame, _ in drawn])),
            "ids": ids[:, :longest],
        }

    def _draw(self, generator: np.random.Generator) -> tuple[NDArray[np.uint8], str]:
        shot, event = draw_single_event(generator, self.split)
        look, action, pattern = event.actor.look, str(event.actor.action), shot.background.pattern
        if generator.random() < EMPTY_SHARE:
            script, caption = Script("", (shot,), ()), write_nothing(pattern, generator)
        elif generator.random() < PHRASE_SHARE:
            script, caption = Script("", (shot,), (event,)), write_phrase(look, generator)
        else:
            script, caption = Script("", (shot,), (event,)), write_caption(look, action, pattern, generator)
        frame = render_frame(script, draw_visible(event, generator), height=self.image, width=self.image)
        return frame, caption


def draw_single_event(generator: np.random.Generator, split: Split) -> tuple[Shot, Event]:
    """One shot of 3 to 10 s with one event as long as it."""
    length = float(np.exp(generator.uniform(np.log(3.0), np.log(10.0))))
    camera = str(generator.choice(("pan", "zoom", "handheld"))) if generator.random() < MOVING_SHARE else None
    shot = draw_shot(generator, start_s=0.0, end_s=length, camera=camera)
    return shot, draw_event(generator, split, shot, start_s=0.0, end_s=length, before=[])


def draw_visible(event: Event, generator: np.random.Generator) -> float:
    """A moment at which the actor can be seen, in seconds; blinking, appearing and disappearing ones cannot always."""
    while True:
        t = float(generator.uniform(0, event.length_s))
        if event.actor.pose(t, event.length_s).opacity > 0.4:
            return event.start_s + t


@dataclass(frozen=True, kw_only=True)
class Groups:
    """A `Source` of short runs of rendered frames: an I-frame and the P-frames after it, as sampled from a video.

    Args:
        image: side of the frames in pixels.
        ranges: of group length and kept share.
        grid: patches along one side.
        batch: groups in each batch.
        fps: frames per second of the sampling.
        seed: of the whole stream.
        together: consecutive batches with one group length, for ranks that compare their rows.
    """

    image: int
    ranges: Ranges
    grid: int
    batch: int
    fps: float = 3.0
    seed: int = 0
    together: int = 1

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Batch `number`: "frames" uint8 [b, 1 + n, y, x, 3] and the patches kept, "kept" int64 [b, n, k]."""
        setting = self.ranges.draw(seed=self.seed, number=number // self.together)
        generator = np.random.default_rng([GROUPS, self.seed, number])
        count = 1 + setting.interleave
        groups = [draw_run(generator, count=count, fps=self.fps, image=self.image) for _ in range(self.batch)]
        frames = torch.from_numpy(np.stack(groups))
        return {"frames": frames, "kept": setting.choose(frames, grid=self.grid, generator=generator)}


def draw_run(generator: np.random.Generator, *, count: int, fps: float, image: int) -> NDArray[np.uint8]:
    """`count` frames of one scene, `fps` a second: uint8 [t, y, x, 3]."""
    shot, event = draw_single_event(generator, Split.TRAIN)
    script = Script("", (shot,), (event,))
    length = (count - 1) / fps
    start = float(generator.uniform(0, max(0.0, event.length_s - length)))
    times = [start + step / fps for step in range(count)]
    return np.stack([render_frame(script, t, height=image, width=image) for t in times])
