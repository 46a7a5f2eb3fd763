"""Packets to frames, frames to displayed RGB pixels and motion maps."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .container import (
    Container,
    DecodedFrame,
    Decoder,
    Scaler,
    Stream,
    Tally,
    decode_packet,
    display_matrix,
    lone_context,
    motion_vectors,
    read_packets,
)
from .geometry import Orientation, fit_short_side
from .motion import Map, draw_vectors, map_size
from .plan import SKIP, SUPPORT, WANTED, Plan

if TYPE_CHECKING:
    from .container import VideoPacket

MOTION_CODECS = frozenset({"h264", "mpeg4", "mpeg1video", "mpeg2video", "h263"})
# Leaving out non-reference frames is exact where the stream itself marks them; in HEVC they may still be referred to
# by frames of higher temporal layers.
NONREF_CODECS = frozenset({"h264"})
_MOST_KEPT = 64 * 2**20  # bytes of packets kept for a second try


def decode_packets(container: Container, stream: Stream, plan: Plan, tally: Tally) -> Iterator[DecodedFrame]:
    """Frames in display order; after each left-out run of packets the decoder starts anew."""
    run = _Run(stream.codec_context, tally, drops_nonref="nonref" in plan.strategy)
    used = np.flatnonzero(plan.actions != SKIP)
    # Errors of reading were counted when the packets were first gone through.
    for number, packet in enumerate(read_packets(container, stream, Tally())):
        if not len(used) or number > used[-1]:
            break
        if plan.actions[number] == SKIP:
            yield from run.end()
        else:
            yield from run.feed(packet, int(plan.actions[number]))
    yield from run.end()


class _Run:
    """Neighbouring packets that go through the decoder together.

    With several threads, an error among the last packets makes the decoder keep back the frames after it. So the
    packets since the last key frame are held, and if a wanted frame did not come out they are decoded once more by a
    single thread.
    """

    def __init__(self, context: Decoder, tally: Tally, *, drops_nonref: bool) -> None:
        self._context = context
        self._tally = tally
        self._drops_nonref = drops_nonref
        self._held: list[VideoPacket] = []
        self._held_bytes = 0
        self._missing: set[int] = set()
        self._newest: int | None = None
        self._is_empty = True

    def feed(self, packet: "VideoPacket", action: int) -> Iterator[DecodedFrame]:
        self._is_empty = False
        self._hold(packet)
        if action == WANTED and packet.pts is not None and not packet.is_discard:
            self._missing.add(packet.pts)
        if self._drops_nonref:
            self._context.skip_frame = "NONREF" if action == SUPPORT else "DEFAULT"
        self._tally.packets_decoded += 1
        yield from self._count(decode_packet(self._context, packet, self._tally))

    def end(self) -> Iterator[DecodedFrame]:
        """The frames still inside; afterwards the decoder is as new."""
        if self._is_empty:
            return
        yield from self._count(decode_packet(self._context, None, self._tally))
        if self._missing and self._context.thread_count != 1:
            yield from self._count(self._try_again())
        self._context.flush_buffers()
        self._held, self._held_bytes, self._missing = [], 0, set()
        self._newest, self._is_empty = None, True

    def _hold(self, packet: "VideoPacket") -> None:
        if packet.is_keyframe:
            (
                self._held,
                self._held_bytes,
            ) = [], 0
        self._held_bytes += packet.size
        self._held.append(packet)
        if self._held_bytes > _MOST_KEPT:
            self._held = []

    def _count(self, frames: Iterator[DecodedFrame]) -> Iterator[DecodedFrame]:
        for frame in frames:
            self._missing.discard(-1 if frame.pts is None else frame.pts)
            self._newest = frame.pts
            yield frame

    def _try_again(self) -> Iterator[DecodedFrame]:
        alone = lone_context(self._context)
        newest = self._newest
        for packet in (*self._held, None):
            for frame in decode_packet(alone, packet, Tally()):
                if newest is None or (frame.pts is not None and frame.pts > newest):
                    self._tally.frames_decoded += 1
                    yield frame


def first_frame(container: Container, stream: Stream) -> DecodedFrame | None:
    """The first frame that can be decoded, or None."""
    tally = Tally()
    for packet in read_packets(container, stream, tally):
        for frame in decode_packet(stream.codec_context, packet, tally):
            return frame
    return next(decode_packet(stream.codec_context, None, tally), None)


def orientation_of(frame: DecodedFrame) -> Orientation:
    """How this frame is turned for display."""
    matrix = display_matrix(frame)
    return Orientation() if matrix is None else Orientation.from_matrix(matrix)


def draw_motion(frame: DecodedFrame, orientation: Orientation) -> Map:
    """The frame's motion map, turned as it is displayed; zeros if the codec gave no vectors."""
    vectors = motion_vectors(frame)
    if vectors is None:
        return np.zeros(orientation.size(*map_size(frame.height, frame.width)), np.float32)
    drawn: Map = orientation.apply(draw_vectors(vectors, frame.height, frame.width))
    return drawn


class Painter:
    """Turns decoded frames into displayed RGB pixels of one size, that of the first frame."""

    def __init__(self, first: DecodedFrame, *, short_side: int | None, threads: int) -> None:
        self.orientation = orientation_of(first)
        self._stored = first.height, first.width
        self.size = self.orientation.size(*self._stored)
        if short_side is not None:
            self.size = fit_short_side(*self.size, short_side)
        self._target = self.orientation.size(*self.size)
        self._scaler = Scaler()
        self._threads = threads

    def paint(self, frame: DecodedFrame) -> npt.NDArray[np.uint8]:
        """uint8 [y, x, 3]; the frame's own colour matrix and range are used."""
        height, width = self._target
        resized = (frame.height, frame.width) != self._target
        interpolation = "BICUBIC" if resized else None
        rgb = self._scaler.reformat(
            frame, width, height, "rgb24", interpolation=interpolation, threads=self._threads
        )
        return self.orientation.apply(rgb.to_ndarray())
