"""What explain_file says, against the trace of the same clip."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from vidskim.errors import NoFramesError, SettingsError
from vidskim.models.cost import vit_macs
from vidskim.pipeline.load import load_model
from vidskim.tasks.explain import Explanation, as_seen, explain_file, read_pictures
from vidskim.tasks.patch_state import COMPUTED, DROPPED, MERGED, REUSED
from vidskim.video.read import read_video
from vidskim.video.write import write_video

MakeState = Any  # see conftest
FRAMES = 60  # more than are encoded together


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright square that wanders over noise."""
    path = tmp_path_factory.mktemp("video") / "square.mp4"
    noise = np.random.default_rng(0).integers(0, 120, (48, 64, 3), np.uint8)
    frames = []
    for number in range(FRAMES):
        frame = noise.copy()
        frame[10:22, number % 50 : number % 50 + 12] = 240
        frames.append(frame)
    write_video(path, frames, 10.0)
    return path


@pytest.mark.parametrize(
    ("method", "settings", "other"),
    [
        ("full", {}, COMPUTED),
        ("copy", {"interleave": 3}, REUSED),
        ("interpolate", {"interleave": 3}, REUSED),
        ("reuse", {"interleave": 4, "threshold": 0.03}, REUSED),
        ("reuse", {"budget": 0.5}, REUSED),
        ("reuse", {"anchors": "previous", "interleave": 6}, REUSED),
        ("residual", {}, DROPPED),
    ],
)
def test_states_follow_the_trace(video: Path, method: str, settings: dict[str, Any], other: int) -> None:
    encoder = load_model("demo", method=method, **settings)
    explanation = explain_file(video, encoder, fps=None)
    features, trace = encoder.encode(read_video(video, **encoder.reading), trace=True)
    assert [state.number for state in explanation.states] == list(range(FRAMES))
    assert [state.time_s for state in explanation.states] == features.times_s.tolist()
    assert [state.kind for state in explanation.states] == features.kinds.tolist()
    assert explanation.macs == features.macs
    assert explanation.full_macs == FRAMES * vit_macs(encoder.trunk.config)
    kept = dict(zip(trace.frames.tolist(), trace.kept, strict=True))
    for state in explanation.states:
        expected = np.full(49, COMPUTED if state.kind == "I" else other)
        if state.kind == "P":
            expected[kept[state.number][kept[state.number] >= 0].numpy()] = COMPUTED
        assert state.fates.ravel().tolist() == expected.tolist()
    assert sum(explanation.total(fate) for fate in range(4)) == FRAMES * 49
    assert (explanation.share == 1) == (method == "full")
    assert explanation.states[0].change == 0
    assert all(state.change > 0 for state in explanation.states[1:])


def test_a_reused_patch_leans_as_the_method_blends(video: Path) -> None:
    encoder = load_model("demo", method="reuse", interleave=4)
    states = explain_file(video, encoder, fps=None).states
    pixels = encoder.prepare(read_video(video)).pixels
    std = torch.tensor(encoder.preparation.std)[:, None, None]
    small = F.avg_pool2d(pixels * std, 4)  # the method measures smaller frames
    patches = small.reshape(FRAMES, 3, 7, 4, 7, 4)  # t 3 gy p gx p
    for number in (2, 48, 51):  # in the second batch too
        before, after = number - number % 5, min(number - number % 5 + 5, FRAMES - 1)
        d1, d2 = ((patches[number] - patches[place]).abs().mean(dim=(0, 2, 4)) for place in (before, after))
        lean = states[number].lean
        reused = ~np.isnan(lean)
        assert reused.sum() == states[number].count(REUSED) > 0
        expected = torch.nan_to_num(d1 / (d1 + d2), nan=0.5).numpy()
        np.testing.assert_allclose(lean[reused], expected[reused], atol=1e-4)


def test_pictures_are_what_the_encoder_sees(video: Path) -> None:
    encoder = load_model("demo", method="reuse", select="motion")
    states = explain_file(video, encoder, fps=None).states[5:50:9]
    pictures = list(read_pictures(video, encoder, states))
    frames = read_video(video).frames
    assert len(pictures) == len(states)
    for state, picture in zip(states, pictures, strict=True):
        resized = Image.fromarray(frames[state.number]).resize((149, 112), Image.Resampling.BICUBIC)
        left = round((149 - 112) / 2)
        assert (picture == np.asarray(resized)[:, left : left + 112]).all()


def test_merged_frames_end_with_the_tokens_that_are_left(video: Path) -> None:
    explanation = explain_file(video, load_model("demo", method="merge", r=4), fps=None)
    assert {(state.kind, state.tokens) for state in explanation.states} == {("P", 49 - 5 * 4)}
    assert explanation.total(MERGED) > 0
    assert [len(group) for group in explanation.groups()] == [1] * FRAMES
    assert "59% of the patches left as tokens" in explanation.summary()
    assert explanation.share < 1
    mixed = explain_file(video, load_model("demo", method="residual", r=4), fps=None)
    assert {(state.kind, state.tokens) for state in mixed.states} == {("I", 49), ("P", 49 - 5 * 4)}


def test_smaller_frames_are_seen_as_small_as_they_are(video: Path) -> None:
    encoder = load_model("demo", method="residual", resolution=64)
    states = explain_file(video, encoder, fps=None).states[:3]
    assert [state.fates.shape for state in states] == [(7, 7), (4, 4), (4, 4)]
    assert [state.count(COMPUTED) for state in states] == [49, 16, 16]
    pictures = read_pictures(video, encoder, states)
    assert [picture.shape for picture in pictures] == [(112, 112, 3), (64, 64, 3), (64, 64, 3)]


def test_values_beyond_white_and_black_stay_there() -> None:
    preparation = load_model("demo").preparation
    pictures = as_seen(torch.tensor([-9.0, 9.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4), preparation)
    assert pictures.shape == (2, 4, 4, 3)
    assert [int(picture.min()) for picture in pictures] == [0, 255]
    assert [int(picture.max()) for picture in pictures] == [0, 255]


def test_a_part_is_encoded_as_if_it_were_all(video: Path) -> None:
    encoder = load_model("demo", method="reuse")
    explanation = explain_file(video, encoder, fps=5.0, start_s=1.0, end_s=3.0)
    clip = read_video(video, 5.0, start_s=1.0, end_s=3.0)
    features = encoder.encode(clip)
    assert [state.time_s for state in explanation.states] == clip.times_s.tolist()
    assert [state.kind for state in explanation.states] == features.kinds.tolist()
    assert explanation.states[0].kind == "I"


def test_groups_are_whole_and_close_where_p_frames_look_ahead(video: Path) -> None:
    ahead = explain_file(video, load_model("demo", method="reuse", interleave=3), fps=None)
    groups = ahead.groups()
    assert ["".join(state.kind for state in group) for group in groups[:2]] == ["IPPPI", "IPPPI"]
    assert groups[0][-1] is groups[1][0]
    assert "".join(state.kind for state in groups[-1]) == "I"
    behind = explain_file(video, load_model("demo", method="copy", interleave=3), fps=None)
    assert {"".join(state.kind for state in group) for group in behind.groups()} == {"IPPP"}


def test_it_is_summed_up(video: Path) -> None:
    explanation = explain_file(video, load_model("demo", method="reuse", keep=0.2), fps=None)
    assert explanation.method == "reuse, select difference, interleave 2, keep 0.2, anchors both"
    anchors = sum(state.kind == "I" for state in explanation.states)
    assert explanation.summary().startswith(f"60 frames, {anchors} I + {60 - anchors} P; ")
    assert f"{explanation.share:.0%} of the full encoder's MACs" in explanation.summary()
    document = explanation.to_json()
    assert document["patches"]["computed"] == sum(frame["computed"] for frame in document["frames"])
    assert sum(document["patches"].values()) == 60 * 49
    assert document["macs"] / document["full_macs"] == document["share"]


def test_i_frames_that_are_merged_are_told(video: Path) -> None:
    encoder = load_model("demo", method="reuse", budget=0.3)
    explanation = explain_file(video, encoder, fps=None)
    tokens = explanation.anchor_tokens
    assert len(tokens) == sum(state.kind == "I" for state in explanation.states)
    assert min(tokens) < 49 >= max(tokens)
    assert explanation.merging().startswith(f"merged to {min(tokens)}")
    assert explanation.merging().endswith(" of 49 tokens")
    assert explanation.to_json()["anchor_tokens"] == list(tokens)
    assert explanation.share <= 0.3
    for fixed in (load_model("demo", method="reuse", keep=0.2), load_model("demo", method="copy")):
        assert explain_file(video, fixed, fps=None).merging() == ""


def test_what_cannot_be_read_says_so(video: Path) -> None:
    encoder = load_model("demo")
    with pytest.raises(NoFramesError, match="no frames between start_s 20"):
        explain_file(video, encoder, start_s=20.0)
    with pytest.raises(SettingsError, match="fps must be above 0"):
        explain_file(video, encoder, fps=-1.0)


def test_an_explanation_holds_its_states(make_state: MakeState) -> None:
    states = [make_state([[COMPUTED, COMPUTED]], kind="I"), make_state([[DROPPED, COMPUTED]], number=1)]
    explanation = Explanation("residual", states, macs=3, full_macs=4, looks_ahead=False)
    assert (explanation.share, explanation.total(COMPUTED), explanation.total(DROPPED)) == (0.75, 3, 1)
    assert explanation.groups() == [states]
