"""Training a video classifier, in small: it learns what only time tells, it resumes exactly, and it is written."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from footage_files import write_square
from torch import Tensor

from vidskim.errors import SettingsError, TrainingError
from vidskim.models.variants import VideoVitConfig
from vidskim.models.video_vit import VideoTransformer
from vidskim.pipeline.load import load_model
from vidskim.train.curriculum import Recognition
from vidskim.train.initialise import initialise
from vidskim.train.loop import LoopSettings, fit
from vidskim.train.metrics import read_metrics
from vidskim.train.recognition import (
    MODEL,
    ClipClassifier,
    Exam,
    RecognitionTask,
    freeze,
    read_result,
    shuffle,
    train_recognition,
)
from vidskim.train.thinned import Thinned
from vidskim.video.prepare import Preparation
from vidskim.video.read import read_video
from vidskim.video.views import Views

TINY = VideoVitConfig(
    width=32,
    layers=2,
    heads=2,
    patch=8,
    tubelet=2,
    frames=4,
    image=16,
    hidden=64,
    classes=2,
    activation="gelu",
    eps=1e-6,
    head_eps=1e-5,
)
GREY = Preparation(size=16, resize=16, mean=(0.5,) * 3, std=(0.25,) * 3, interpolation="bilinear")
LOOP = LoopSettings(
    steps=120,
    learning_rate=3e-3,
    warmup_steps=10,
    precision="float32",
    device="cpu",
    workers=0,
    checkpoint_every=40,
    log_every=10,
)


@dataclass(frozen=True)
class Bars:
    """Bars that move to the right (0) or to the left (1), from anywhere."""

    batch: int = 16
    salt: int = 0

    def __getitem__(self, number: int, /) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1000 * self.salt + number)
        labels = torch.randint(2, (self.batch,), generator=generator)
        starts = torch.randint(16, (self.batch,), generator=generator)
        times = torch.arange(4)
        places = (starts[:, None] + 2 * times * (1 - 2 * labels[:, None])) % 16  # b t
        away = (torch.arange(16) - places[:, :, None]) % 16  # b t x
        lit = ((away < 4) * 200 + 28).to(torch.uint8)
        return {"clips": lit[:, :, None, :, None].expand(-1, -1, 16, -1, 3).contiguous(), "labels": labels}


def make_task(*, until: int = 80) -> RecognitionTask:
    trunk = VideoTransformer(TINY)
    initialise(trunk, torch.Generator().manual_seed(0))
    source = Thinned(source=Bars(), config=TINY, keep=0.5, until=until)
    return RecognitionTask(
        model=ClipClassifier(trunk, GREY), source=source, smoothing=0.0, settings={"until": until}
    )


def test_it_learns_what_a_single_frame_does_not_show(tmp_path: Path) -> None:
    task = make_task()
    report = fit(task, LOOP, tmp_path)
    lines = read_metrics(tmp_path)
    assert lines[0]["loss"] > 0.5
    assert report.loss < 0.1
    exam, asked = Exam(task.model.eval(), torch.float32), (Bars(salt=1), 8)
    found = exam.score(asked)
    assert found["top1"] > 0.95
    assert found["top5"] == 1.0  # of two classes
    assert exam.score(asked, change=freeze)["top1"] < 0.7


def test_a_training_that_was_cut_has_the_curve_of_one_that_was_not(tmp_path: Path) -> None:
    fit(make_task(), LOOP, tmp_path / "whole")

    def stop(step: int) -> dict[str, float]:
        if step == 80:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit(make_task(), LOOP, tmp_path / "cut", on_checkpoint=stop)
    again = make_task()
    assert fit(again, LOOP, tmp_path / "cut").resumed_from == 80
    curves = [
        [
            (line["step"], line["loss"], line["top1"])
            for line in read_metrics(tmp_path / name)
            if "loss" in line
        ]
        for name in ("whole", "cut")
    ]
    assert curves[0] == curves[1]


def test_thinned_clips_give_the_scores_of_their_tokens() -> None:
    model = make_task().model.eval()
    clips = Bars()[0]["clips"]
    every = torch.arange(8).expand(len(clips), -1)
    with torch.no_grad():
        assert torch.allclose(model(clips, every), model(clips), atol=1e-5)
        some = model(clips, every[:, ::2])
        assert some.shape == (16, 2)
        assert not torch.allclose(some, model(clips), atol=1e-3)


def test_clips_can_be_frozen_and_shuffled() -> None:
    clips = Bars()[0]["clips"]
    assert (freeze(clips) == clips[:, 2:3]).all()
    assert not torch.equal(shuffle(clips), clips)
    assert torch.equal(shuffle(clips).float().mean(dim=1), clips.float().mean(dim=1))


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for number in range(6):
        name = ("jumps", "runs")[number % 2]
        write_square(folder / name / f"{number}.mp4", frames=6, seed=number)
    return folder


QUICK = replace(LOOP, steps=2, warmup_steps=1, checkpoint_every=1)


def train(footage: Path, out: Path, **changes: Any) -> None:
    train_recognition(Recognition(videos=footage, held_out=0.3, batch=2, **changes), out, QUICK)


def test_own_videos_become_a_model_that_loads(footage: Path, tmp_path: Path) -> None:
    train(footage, tmp_path)
    result = read_result(tmp_path)
    assert set(result) == {"validation"}
    assert set(result["validation"]) == {
        *("top1", "top5", "loss", "clips", "unreadable"),
        *("one_frame", "shuffled"),
    }
    assert (result["validation"]["clips"], result["validation"]["unreadable"]) == (2, 0)
    assert set(read_metrics(tmp_path)[-1]["validation"]) == {"top1", "top5", "loss"}
    classifier = load_model(tmp_path / MODEL, method="sta", r=4, dtype="float32")
    assert classifier.labels == ("jumps", "runs")
    clip = read_video(footage / "runs" / "1.mp4")
    found = classifier.classify(clip, top=2)
    assert sum(found.probabilities) == pytest.approx(1, abs=1e-5)
    # what it was trained on is what it looks at
    assert classifier.find_views("one") == Views("segments")
    assert found.probabilities == classifier.classify(clip, top=2, views=Views("segments")).probabilities
    assert classifier.find_views("ssv2") == Views("segments", clips=2, crops=3)
    # trained again from what it wrote: the head is kept
    train(footage, tmp_path / "more", model=tmp_path / MODEL)
    assert json.loads((tmp_path / "more" / MODEL / "config.json").read_text())["id2label"]["1"] == "runs"


def test_videos_held_out_that_cannot_be_read_do_not_count(footage: Path, tmp_path: Path) -> None:
    held_out = tmp_path / "val.csv"
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    rows = ["broken.mp4 runs", "broken.mp4 jumps", f"{footage}/runs/1.mp4 runs"]
    held_out.write_text("\n".join(rows))
    what = Recognition(videos=footage, held_out=held_out, batch=2)
    train_recognition(what, tmp_path / "out", QUICK)  # one batch is broken altogether
    found = read_result(tmp_path / "out")["validation"]
    assert (found["clips"], found["unreadable"]) == (1, 2)
    assert found["top1"] in (0.0, 1.0)
    held_out.write_text(rows[0])
    with pytest.raises(TrainingError, match="none of the 1 videos that were held out could be read"):
        train_recognition(what, tmp_path / "none", QUICK)


def test_another_training_in_its_folder_is_refused(footage: Path, tmp_path: Path) -> None:
    train(footage, tmp_path)
    train(footage, tmp_path)  # finished: nothing is done twice
    with pytest.raises(SettingsError, match=r"sampling was \['segments', 4\], is \['dense', 4\]"):
        train(footage, tmp_path, sampling="dense")


def test_epochs_are_passes_over_the_videos(footage: Path, tmp_path: Path) -> None:
    train(footage, tmp_path, epochs=1.5)  # 4 videos are left to train on, 2 a step
    assert read_metrics(tmp_path)[-1]["step"] == 3


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no result\.json .*expected the folder of `vidskim train recognition`"
    ):
        read_result(tmp_path)
