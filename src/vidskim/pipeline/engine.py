"""The engine behind every way of encoding: blocks of many videos in, batches through a method, features out."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from vidskim.fingerprint import Fingerprint
from vidskim.methods.frames import Encoded, FrameMethod
from vidskim.methods.layout import Anchor, Segment
from vidskim.models.vit import VisionTransformer
from vidskim.pipeline.features import Features, Trace
from vidskim.pipeline.stream import Block, Cutter

# Frames encoded together. On a CPU more gains nothing; a GPU wants to be filled.
CPU_FRAMES = 48
GPU_FRAMES = 512
# What recorded keys and values of one batch may take.
CONTEXT_BYTES = 1 << 30

Batch = list[tuple[Hashable, Segment]]


class Engine:
    """Batches are filled across videos and bounded in frames and in recorded I-frames.

    Args:
        trunk: the vision tower.
        method: what is done with it.
        fingerprint: for the features.
    """

    def __init__(self, trunk: VisionTransformer, method: FrameMethod, fingerprint: Fingerprint) -> None:
        self.trunk, self.method, self.fingerprint = trunk, method, fingerprint
        self.device = trunk.class_token.device

    def run(self, blocks: Iterable[Block]) -> Iterator[tuple[Hashable, Features, Trace]]:
        """Cut, batch, encode, hand out: a video's key, the features of its next frames, and what was computed."""
        method = self.method
        most_frames, most_anchors = self._bounds()
        fitting = min(most_frames // method.step, (most_anchors - method.lookahead) // method.step_anchors)
        length = method.step * (1 if method.plans else max(1, fitting))
        if not method.plans:
            most_frames = length
        cutter: Cutter | None = None
        batch: Batch = []
        frames = anchors = 0
        carried: dict[Hashable, Anchor] = {}
        for block in blocks:
            cutter = cutter or Cutter(length, lookahead=method.lookahead)
            for segment in cutter.push(block):
                own = -(-len(segment.pixels) // method.step) * method.step_anchors + method.lookahead
                if batch and anchors + own > most_anchors:
                    yield from self._encode_batch(batch, carried)
                    batch, frames, anchors = [], 0, 0
                batch.append((block.video, segment))
                frames += len(segment.pixels)
                anchors += own
                if segment.continues or frames >= most_frames:
                    yield from self._encode_batch(batch, carried)
                    batch, frames, anchors = [], 0, 0
            if block.last:
                cutter = None
        if batch:
            yield from self._encode_batch(batch, carried)

    def _bounds(self) -> tuple[int, int]:
        """Frames and I-frames after which a batch is full; I-frames because their keys and values are recorded."""
        frames = CPU_FRAMES if self.device.type == "cpu" else GPU_FRAMES
        if not self.method.records:
            return frames, frames
        config = self.trunk.config
        tokens = config.prefix + config.patches
        return frames, max(
            2, CONTEXT_BYTES // (config.layers * tokens * 2 * config.width * self.trunk.dtype.itemsize)
        )

    def _encode_batch(
        self, batch: Batch, carried: dict[Hashable, Anchor]
    ) -> Iterator[tuple[Hashable, Features, Trace]]:
        segments = [replace(segment, carried=carried.pop(key, None)) for key, segment in batch]
        for (key, _), (features, trace, closing) in zip(batch, self.encode(segments), strict=True):
            if closing is not None:
                carried[key] = closing
            yield key, features, trace

    def encode(self, segments: Sequence[Segment]) -> list[tuple[Features, Trace, Anchor | None]]:
        """Encode segments together.

        Returns:
            For each the features of its frames, a carried one apart, what was computed, and what its last I-frame
            leaves behind if it continues.
        """
        placed = [replace(segment, pixels=segment.pixels.to(self.device)) for segment in segments]
        with torch.inference_mode():
            encoded = self.method.encode(self.trunk, placed)
        pairs = zip(segments, encoded, strict=True)
        return [(*self._result(segment, result), result.closing) for segment, result in pairs]

    def _result(self, segment: Segment, encoded: Encoded) -> tuple[Features, Trace]:
        skip = int(segment.carried is not None)
        kinds = np.where(encoded.anchor_frames, "I", "P")
        features = Features(
            encoded.vectors[skip:].cpu().clone(),
            segment.times_s[skip:],
            kinds[skip:],
            encoded.macs,
            self.fingerprint,
        )
        frames = torch.from_numpy(np.flatnonzero(~encoded.anchor_frames)) + segment.first
        kept = torch.empty(len(frames), 0, dtype=torch.int64) if encoded.kept is None else encoded.kept.cpu()
        tokens = None if encoded.anchor_tokens is None else encoded.anchor_tokens[skip:]
        return features, Trace(frames, encoded.links, kept, encoded.scores, encoded.slots, tokens)
