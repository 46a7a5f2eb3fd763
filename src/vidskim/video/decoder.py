"""Packets to frames, frames to displayed RGB pixels and motion maps."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from vidskim.video.container import (
    Container,
    DecodedFrame,
    Scaler,
    Stream,
    Tally,
    decode_packet,
    display_matrix,
    motion_vectors,
    read_packets,
)
from vidskim.video.geometry import Orientation, fit_short_side
from vidskim.video.motion import Map, draw_vectors, map_size
from vidskim.video.plan import SKIP, SUPPORT, WANTED, Plan

MOTION_CODECS = frozenset({"h264", "mpeg4", "mpeg1video", "mpeg2video", "h263"})
# Leaving out non-reference frames is exact where the stream itself marks them; in HEVC they may still be referred to
# by frames of higher temporal layers.
NONREF_CODECS = frozenset({"h264"})
# Their packets may hold frames that are never shown, so a frame that does not come out is no sign of damage.
HIDDEN_CODECS = frozenset({"vp8", "vp9", "av1"})


def decode_packets(container: Container, stream: Stream, plan: Plan, tally: Tally) -> Iterator[DecodedFrame]:
    """Frames in display order; after each left-out run of packets the decoder starts anew."""
    context = stream.codec_context
    drops_nonref = "nonref" in plan.strategy
    used = np.flatnonzero(plan.actions != SKIP)
    missing: set[int | None] = set()
    # Errors of reading were counted when the packets were first gone through.
    for number, packet in enumerate(read_packets(container, stream, Tally())):
        if not len(used) or number > used[-1]:
            break
        action = plan.actions[number]
        if action == SKIP:
            if plan.actions[number - 1] != SKIP and number:
                yield from _tracked(decode_packet(context, None, tally), missing)
                tally.frames_missing += len(missing)
                missing.clear()
                context.flush_buffers()
            continue
        if action == WANTED and packet.pts is not None and not packet.is_discard:
            missing.add(packet.pts)
        if drops_nonref:
            context.skip_frame = "NONREF" if action == SUPPORT else "DEFAULT"
        tally.packets_decoded += 1
        yield from _tracked(decode_packet(context, packet, tally), missing)
    if tally.packets_decoded:
        yield from _tracked(decode_packet(context, None, tally), missing)
    tally.frames_missing += len(missing)


def _tracked(frames: Iterator[DecodedFrame], missing: set[int | None]) -> Iterator[DecodedFrame]:
    for frame in frames:
        missing.discard(frame.pts)
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


def motion_drawer(frame: DecodedFrame, orientation: Orientation, *, signed: bool) -> Callable[[], Map]:
    """A function that draws the frame's motion map, turned as it is displayed; zeros if the codec gave no vectors."""
    vectors, y, x = motion_vectors(frame), frame.height, frame.width
    signs = orientation.signs if signed else None

    def draw() -> Map:
        if vectors is None:
            return np.zeros(orientation.size(*map_size(y, x)), np.float32)
        drawn: Map = orientation.apply(draw_vectors(vectors, y, x, signs=signs))
        return drawn

    return draw


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
