"""What a classifier is taught: the model before its first step, and where its clips come from."""

from pathlib import Path
from typing import Any

import pytest
import torch
from footage_files import write_square

from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.export import save_video_checkpoint
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.synth.vocabulary import ACTIONS, Split
from vidskim.train.actions import ActionClips
from vidskim.train.clips import VideoClips
from vidskim.train.curriculum import Recognition
from vidskim.train.initialise import initialise
from vidskim.train.lessons import open_lessons
from vidskim.video.prepare import Preparation

SMALL = VideoVitConfig(
    width=16,
    layers=2,
    heads=2,
    patch=8,
    tubelet=2,
    frames=4,
    image=24,
    hidden=32,
    classes=2,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-5,
)
PREPARATION = Preparation(size=24, resize=28, mean=(0.4,) * 3, std=(0.3,) * 3, interpolation="bicubic")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of three videos each."""
    folder = tmp_path_factory.mktemp("footage")
    for number in range(6):
        name = ("jumps", "runs")[number % 2]
        write_square(folder / name / f"{number}.mp4", frames=6, seed=number)
    return folder


def save(folder: Path, labels: tuple[str, ...] = ("jumps", "runs")) -> VideoTransformer:
    trunk = VideoTransformer(SMALL)
    initialise(trunk, torch.Generator().manual_seed(1))
    save_video_checkpoint(folder, trunk, labels=labels, preparation=PREPARATION)
    return trunk


def test_rendered_actions_have_three_splits() -> None:
    lessons = open_lessons(Recognition(batch=8), seed=3)
    assert lessons.classes == ACTIONS
    assert lessons.videos is None
    assert lessons.test is not None
    sources = (lessons.source, lessons.validation[0], lessons.test[0])
    assert [source.split for source in sources if isinstance(source, ActionClips)] == list(Split)
    assert lessons.validation[1] * 8 == 256
    assert lessons.test[1] * 8 == 1024


def test_rendered_actions_can_go_on_from_a_model(tmp_path: Path) -> None:
    save(tmp_path)
    lessons = open_lessons(Recognition(model=tmp_path), seed=0)
    assert lessons.trunk.config.classes == len(ACTIONS)
    assert isinstance(lessons.source, ActionClips)
    assert (lessons.source.frames, lessons.source.side) == (4, 24)


def test_own_videos_are_split_by_class(footage: Path) -> None:
    lessons = open_lessons(Recognition(videos=footage, held_out=0.3, batch=2), seed=0)
    assert lessons.classes == ("jumps", "runs")
    assert (lessons.videos, lessons.test) == (4, None)
    source, batches = lessons.validation
    assert isinstance(source, VideoClips)
    assert (sorted(source.videos.labels), batches, source.augmentation) == ([0, 1], 1, None)
    assert lessons.trunk.config.classes == 2
    assert lessons.source[0]["clips"].shape == (2, 16, 64, 64, 3)


def test_a_list_of_its_own_can_be_held_out(footage: Path, tmp_path: Path) -> None:
    rest = tmp_path / "rest.csv"
    rest.write_text(f"{footage}/runs/1.mp4,runs\n")
    lessons = open_lessons(Recognition(videos=footage, held_out=rest), seed=0)
    source, _ = lessons.validation
    assert isinstance(source, VideoClips)
    assert (lessons.videos, source.videos.labels) == (6, (1,))


def test_a_checkpoint_keeps_its_head_for_its_own_classes_only(footage: Path, tmp_path: Path) -> None:
    stored = save(tmp_path)
    same = open_lessons(Recognition(videos=footage, model=tmp_path), seed=0)
    assert torch.equal(same.trunk.head.weight, stored.head.weight)
    assert same.preparation == PREPARATION
    assert all(parameter.requires_grad for parameter in same.trunk.parameters())
    save(tmp_path, labels=("sits", "stands"))
    other = open_lessons(Recognition(videos=footage, model=tmp_path), seed=0)
    assert not torch.equal(other.trunk.head.weight, stored.head.weight)
    assert torch.equal(other.trunk.patch.weight, stored.patch.weight)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "gone.mp4 a\ngone.mp4 b\nx.mp4 a\nx.mp4 b",
            {},
            r"4 of 4 videos are not there, such as .*gone\.mp4; paths",
        ),
        (
            "gone.mp4 a",
            {"held_out": Path("list.csv")},
            "1 of .* videos are not there|cannot read labelled videos",
        ),
    ],
)
def test_absent_videos_are_an_error_at_once(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(text)
    with pytest.raises(SettingsError, match=message):
        open_lessons(Recognition(videos=listed, **options), seed=0)


def test_one_class_is_nothing_to_tell_apart(footage: Path, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text(f"{footage}/runs/1.mp4,runs\n{footage}/runs/3.mp4,runs\n")
    with pytest.raises(SettingsError, match=r"2 classes or more to tell apart, received \['runs'\]"):
        open_lessons(Recognition(videos=listed), seed=0)


def test_a_model_without_pooling_is_refused(footage: Path) -> None:
    fixture = Path(__file__).parents[1] / "fixtures" / "residualvit_weights.safetensors"
    with pytest.raises(CheckpointError, match="no known layout of a video classifier"):
        open_lessons(Recognition(videos=footage, model=fixture), seed=0)
