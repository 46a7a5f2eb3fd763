"""Stream: one frame at a time gives what the whole clip gives, and nothing is hidden between two frames."""

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from vidskim.errors import SettingsError
from vidskim.methods.plan import WINDOW
from vidskim.methods.registry import METHODS
from vidskim.methods.residual import ResidualTokenizer
from vidskim.models.cost import tokenizer_macs
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.features import Features
from vidskim.pipeline.live import Stream, StreamState
from vidskim.pipeline.load import load_model
from vidskim.video.clip import Clip, Health

LOOKING_BACK: list[tuple[str, dict[str, object]]] = [
    ("full", {}),
    ("merge", {"r": 3}),
    ("copy", {}),
    ("residual", {}),
    ("residual", {"token": False, "select": "random"}),
    ("residual", {"r": 2, "interleave": 3}),
    ("reuse", {"anchors": "previous"}),
    ("reuse", {"anchors": "previous", "threshold": 0.05, "interleave": 4}),
    ("reuse", {"anchors": "previous", "select": "random"}),
]
LOOKING_AHEAD: list[tuple[str, dict[str, object]]] = [
    ("interpolate", {}),
    ("interpolate", {"interleave": 4}),
    ("reuse", {"interleave": 2}),
    ("reuse", {"threshold": 0.05, "interleave": 1}),
    ("reuse", {"select": "random", "interleave": 2}),
]


def clip(frames: int) -> Clip:
    """Noise that changes slowly, at uneven times."""
    rng = np.random.default_rng(0)
    walk = 128 + rng.integers(-12, 13, (frames, 40, 48, 3)).cumsum(axis=0)
    times_s = rng.random(frames).cumsum()
    return Clip(walk.clip(0, 255).astype(np.uint8), times_s, None, Health(strategy="straight"))


def load(folder: Path, name: str, settings: dict[str, object]) -> VideoEncoder:
    full = load_model(folder, dtype="float32", device="cpu")
    torch.manual_seed(0)
    tokenizer = ResidualTokenizer(dim=full.dim, width=full.trunk.config.width).requires_grad_(False)
    return full.with_method(name, tokenizer=tokenizer, **settings)  # type: ignore[arg-type]


def step_all(stream: Stream, state: StreamState, frames: Clip) -> tuple[list[Features], StreamState]:
    parts = []
    for frame, time_s in zip(frames.frames, frames.times_s, strict=True):
        features, state = stream.step(state, frame, time_s)
        parts.append(features)
    return parts, state


def expect_same(streamed: list[Features], whole: Features) -> None:
    joined = Features.concatenate(streamed)
    torch.testing.assert_close(joined.vectors, whole.vectors, atol=1e-5, rtol=0)
    assert joined.kinds.tolist() == whole.kinds.tolist()
    assert joined.times_s.tolist() == whole.times_s.tolist()
    assert joined.fingerprint == whole.fingerprint


def test_every_method_is_here() -> None:
    assert {name for name, _ in LOOKING_BACK + LOOKING_AHEAD} == set(METHODS)


@pytest.mark.parametrize("frames", [1, 10, 56])  # alone, within a batch, over more than one
@pytest.mark.parametrize(("name", "settings"), LOOKING_BACK)
def test_looking_back_gives_each_frame_at_once(
    clip_folder: Path, name: str, settings: dict[str, object], frames: int
) -> None:
    model, given = load(clip_folder, name, settings), clip(frames)
    stream, whole = model.stream(), model.encode(given)
    assert stream.latency_frames == 0
    parts, state = step_all(stream, stream.start(), given)
    assert [len(part) for part in parts] == [1] * frames
    expect_same(parts, whole)
    rest, _ = stream.finish(state)
    assert len(rest) == 0
    method, again = model.method, 0
    if name == "residual" and settings.get("token", True):
        between = int((whole.kinds == "P").sum())
        groups = -(-(frames - 1) // (method.interleave + 1))
        again = (between - groups) * tokenizer_macs(model.trunk.config, 1)
    assert sum(part.macs for part in parts) == whole.macs + again


@pytest.mark.parametrize("frames", [1, 2, 10, 57])
@pytest.mark.parametrize(("name", "settings"), LOOKING_AHEAD)
def test_looking_ahead_waits_for_the_next_i_frame(
    clip_folder: Path, name: str, settings: dict[str, object], frames: int
) -> None:
    model, given = load(clip_folder, name, settings), clip(frames)
    stream, group = model.stream(), model.method.interleave + 1
    assert stream.latency_frames == model.method.interleave
    parts, state = step_all(stream, stream.start(), given)
    ready = [0 if number % group else group if number else 1 for number in range(frames)]
    assert [len(part) for part in parts] == ready
    rest, _ = stream.finish(state)
    assert len(rest) == frames - sum(ready)
    expect_same([*parts, rest], model.encode(given))
    assert sum(part.macs for part in [*parts, rest]) == model.encode(given).macs


@pytest.mark.parametrize("frames", [1, 10, 49, 60])
def test_a_planned_window_is_given_as_a_whole(clip_folder: Path, frames: int) -> None:
    model, given = load(clip_folder, "reuse", {"budget": 0.45}), clip(frames)
    stream, whole = model.stream(), model.encode(given)
    assert stream.latency_frames == WINDOW
    parts, state = step_all(stream, stream.start(), given)
    assert [len(part) for part in parts] == [
        WINDOW + 1 if number == WINDOW else 0 for number in range(frames)
    ]
    rest, _ = stream.finish(state)
    expect_same([*parts, rest], whole)
    assert sum(part.macs for part in [*parts, rest]) == whole.macs


@pytest.mark.parametrize(("name", "settings"), [("full", {}), ("interpolate", {})])
def test_run_gives_features_when_they_are_ready(
    clip_folder: Path, name: str, settings: dict[str, object]
) -> None:
    model, given = load(clip_folder, name, settings), clip(8)
    taken: list[int] = []

    def camera() -> Iterator[tuple[npt.NDArray[np.uint8], float]]:
        for number, frame in enumerate(given.frames):
            taken.append(number)
            yield frame, given.times_s[number]

    sizes, seen = [], []
    parts = []
    for features in model.stream().run(camera()):
        parts.append(features)
        sizes.append(len(features))
        seen.append(len(taken))
    expect_same(parts, model.encode(given))
    assert (sizes, seen) == (([1] * 8, list(range(1, 9))) if name == "full" else ([1, 3, 3, 1], [1, 4, 7, 8]))
    assert list(model.stream().run([])) == []


@pytest.mark.parametrize(
    ("name", "settings"), [("reuse", {"anchors": "previous"}), ("reuse", {}), ("residual", {})]
)
def test_a_state_can_be_forked_copied_and_pickled(
    clip_folder: Path, name: str, settings: dict[str, object]
) -> None:
    model, given = load(clip_folder, name, settings), clip(12)
    stream = model.stream()
    _, state = step_all(stream, stream.start(), given[:5])
    expected, _ = step_all(stream, state, given[5:])
    elsewhere = load(clip_folder, name, settings).stream()
    for where, fork in [
        (stream, state),
        (stream, copy.deepcopy(state)),
        (elsewhere, pickle.loads(pickle.dumps(state))),
    ]:
        parts, _ = step_all(where, fork, given[5:])
        assert [len(part) for part in parts] == [len(part) for part in expected]
        for part, same in zip(parts, expected, strict=True):
            assert torch.equal(part.vectors, same.vectors)


def test_two_continuations_of_one_state_do_not_meet(clip_folder: Path) -> None:
    model, given = load(clip_folder, "reuse", {"interleave": 2}), clip(9)
    stream = model.stream()
    _, state = step_all(stream, stream.start(), given[:4])
    mixed = Clip(given.frames.copy(), given.times_s, None, given.health)
    mixed.frames[4:] = given.frames[4:, ::-1]
    one, two = state, state
    ones, twos = [], []
    for number in range(4, 9):  # in turns
        features, one = stream.step(one, given.frames[number], given.times_s[number])
        ones.append(features)
        features, two = stream.step(two, mixed.frames[number], given.times_s[number])
        twos.append(features)
    ones.append(stream.finish(one)[0])
    torch.testing.assert_close(
        Features.concatenate(ones).vectors, model.encode(given).vectors[4:], atol=1e-5, rtol=0
    )
    twos.append(stream.finish(two)[0])
    torch.testing.assert_close(
        Features.concatenate(twos).vectors, model.encode(mixed).vectors[4:], atol=1e-5, rtol=0
    )


def stored_bytes(state: StreamState) -> int:
    """Of all tensors' storages: a view would count with all that it keeps alive."""
    assert state.held is not None
    assert state.anchor is not None
    tensors = [state.held.pixels, state.anchor.vector]
    if (context := state.anchor.context) is not None:
        tensors += [*context.layers, context.slots, context.importance]
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("reuse", {"anchors": "previous", "interleave": 4}),
        ("reuse", {"interleave": 4}),
        ("interpolate", {"interleave": 4}),
    ],
)
def test_a_state_does_not_grow(clip_folder: Path, name: str, settings: dict[str, object]) -> None:
    model = load(clip_folder, name, settings)
    stream, given = model.stream(), clip(200)
    _, early = step_all(stream, stream.start(), given[:10])
    _, late = step_all(stream, early, given[10:])
    assert (early.number, late.number) == (10, 200)
    assert stored_bytes(early) == stored_bytes(late) > 0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((40, 48, 3), np.float32), r"a frame is uint8 \[y, x, 3\], received float32 \[40, 48, 3\]"),
        (np.zeros((1, 40, 48, 3), np.uint8), r"received uint8 \[1, 40, 48, 3\]"),
        (np.zeros((40, 48), np.uint8), r"received uint8 \[40, 48\]"),
        (np.zeros((3, 40, 48), np.uint8), r"received uint8 \[3, 40, 48\]"),
        (np.zeros((0, 48, 3), np.uint8), r"received uint8 \[0, 48, 3\]"),
        (torch.zeros(40, 48, 3), "a frame is an array uint8 .*, received Tensor"),
    ],
)
def test_a_frame_of_another_shape_or_type_is_refused(
    clip_folder: Path, frame: np.ndarray, message: str
) -> None:
    stream = load(clip_folder, "full", {}).stream()
    with pytest.raises(SettingsError, match=message):
        stream.step(stream.start(), frame, 0.0)


def test_times_and_states_that_do_not_follow_are_refused(clip_folder: Path) -> None:
    model, frame = load(clip_folder, "copy", {}), np.zeros((40, 48, 3), np.uint8)
    stream = model.stream()
    _, state = stream.step(stream.start(), frame, 2.0)
    _, same_time = stream.step(state, frame, 2.0)
    assert same_time.number == 2
    with pytest.raises(SettingsError, match=r"frame 1 came with 1.5 s after 2.0 s.*stream.start\(\)"):
        stream.step(state, frame, 1.5)
    with pytest.raises(SettingsError, match="finite number of seconds, received nan"):
        stream.step(state, frame, float("nan"))
    _, finished = stream.finish(state)
    with pytest.raises(SettingsError, match=r"finished after 1 frames.*stream.start\(\)"):
        stream.step(finished, frame, 3.0)
    with pytest.raises(SettingsError, match="finished after 1 frames"):
        stream.finish(finished)
    other = model.with_method("copy", interleave=5).stream()
    with pytest.raises(SettingsError, match=r"another encoder's .*interleave: 2 -> 5"):
        other.step(state, frame, 3.0)
