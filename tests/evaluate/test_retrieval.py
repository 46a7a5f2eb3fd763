"""Evaluations of retrieval: against vectors and ranks taken by hand, interrupted, with videos missing and broken."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from vidskim.errors import CheckpointError, VidskimError
from vidskim.evaluate.contenders import Contender, line_up
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.ranking import score_retrieval
from vidskim.evaluate.retrieval import Progress, evaluate_retrieval
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_model
from vidskim.pipeline.sources import Source
from vidskim.video.prepare import prepare_frames
from vidskim.video.spread import read_spread

PLAN = {"frames": 4, "joins": {3: 2, 4: 2}, "r": 4, "across": 0.3, "within": 0.1}
TEXTS = [
    ("v0", "a red circle moves left"),
    ("v1", "a blue square"),
    ("v0", "a circle grows"),
    ("v1", "two stars turn"),
    ("v1", "green"),
]


@pytest.fixture
def folder(clips: list[Source], tmp_path: Path) -> Path:
    """A folder of one's own with those videos."""
    for clip in clips:
        shutil.copy(clip.path, tmp_path)
    return tmp_path


@pytest.fixture
def contenders(demo: VideoEncoder) -> list[Contender]:
    return line_up(demo, settings={"plan": (PLAN,), "merge": (True, False)})


def test_scores_are_those_of_the_vectors(folder: Path, contenders: list[Contender]) -> None:
    """Also with several texts of one video."""
    videos = CaptionedVideos.of(TEXTS)
    told: list[Progress] = []
    report = evaluate_retrieval(contenders, videos, folder, on_video=told.append)
    assert (report.videos, report.texts, report.frames, report.reused) == (2, 5, 4, 0)
    assert [(one.done, one.listed) for one in told] == [(1, 2), (2, 2)]
    for contender, score in zip(contenders, report.scores, strict=True):
        rows = [
            contender.encode(
                prepare_frames(read_spread(folder / name, 4).frames, contender.model.preparation)
            )
            for name in ("v0.mp4", "v1.mp4")
        ]
        texts = contender.model.encode_text(videos.texts)
        similarity = texts @ torch.stack([row.vector for row in rows]).T
        assert (score.text_to_video, score.video_to_text) == score_retrieval(
            similarity.numpy(), videos.owners
        )
        assert score.macs == rows[0].macs
        assert score.seconds > 0
        assert score.fingerprint == contender.model.fingerprint.digest
    assert [score.method for score in report.scores] == ["full", "tempme", "tempme"]
    assert report.chance[0].recalls == {1: 50, 5: 100, 10: 100, 50: 100}
    assert (report.chance[0].queries, report.chance[1].queries) == (5, 2)


def test_a_part_of_the_time_is_honoured(folder: Path, demo: VideoEncoder) -> None:
    """The second video has its event late; its first second alone gives another vector."""
    whole = CaptionedVideos.of(TEXTS)
    first = CaptionedVideos(whole.videos, whole.texts, whole.owners, 1.0)
    seen: list[Tensor] = []

    class Watch(Contender):
        def encode(self, pixels: Tensor) -> object:  # type: ignore[override]
            seen.append(pixels)
            return super().encode(pixels)

    evaluate_retrieval([Watch("full", demo)], first, folder, frames=3)
    clip = read_spread(folder / "v0.mp4", 3, length_s=1.0)
    assert clip.times_s[-1] < 1.0
    assert torch.equal(seen[1], prepare_frames(clip.frames, demo.preparation))  # the first warms up


def test_an_interrupted_evaluation_goes_on(folder: Path, contenders: list[Contender], tmp_path: Path) -> None:
    videos, out = CaptionedVideos.of(TEXTS), tmp_path / "out"

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_retrieval(contenders, videos, folder, out=out, on_video=stop)
    report = evaluate_retrieval(contenders, videos, folder, out=out)
    assert report.reused == 3
    plain = evaluate_retrieval(contenders, videos, folder)
    assert [score.text_to_video for score in report.scores] == [score.text_to_video for score in plain.scores]
    (folder / "v0.mp4").unlink()  # moved or renamed, a video's content is known
    shutil.copy(folder / "v1.mp4", folder / "v0.mp4")
    again = evaluate_retrieval(contenders, videos, folder, out=out)
    assert again.reused == 6
    assert again.scores[0].text_to_video.recalls[1] == 50  # two equal videos share the first place
    other = line_up(load_model("demo", dtype="float32"), settings={"plan": (PLAN,), "split": ("clip",)})
    assert (
        evaluate_retrieval(other, videos, folder, out=out).reused == 3
    )  # full twice, and the second file is the first
    assert (
        evaluate_retrieval(other[:1], videos, folder, frames=5, out=out).reused == 1
    )  # the two files are one
    assert evaluate_retrieval(other[:1], videos, folder, frames=6).reused == 0


def test_missing_and_broken_videos_are_named_and_do_not_count(folder: Path, demo: VideoEncoder) -> None:
    (folder / "broken.mp4").write_bytes(b"no video")
    rows = [*TEXTS, ("broken", "noise"), ("gone", "nothing")]
    report = evaluate_retrieval(line_up(demo, ()), CaptionedVideos.of(rows), folder)
    assert (report.videos, report.texts, report.missing) == (2, 5, ("gone",))
    assert list(report.failed) == ["broken"]
    assert "broken.mp4" in report.failed["broken"]
    assert (report.scores[0].text_to_video.items, report.scores[0].text_to_video.queries) == (2, 5)
    with pytest.raises(VidskimError, match=r"none of 1 videos could be read, such as .*broken.mp4"):
        evaluate_retrieval(line_up(demo, ()), CaptionedVideos.of([("broken", "noise")]), folder)


def test_contenders_are_warm_and_take_turns(
    folder: Path, contenders: list[Contender], demo: VideoEncoder
) -> None:
    calls: list[str] = []

    class Watch(Contender):
        def encode(self, pixels: Tensor) -> object:  # type: ignore[override]
            calls.append(self.name)
            return super().encode(pixels)

    watched = [Watch(str(number), one.model) for number, one in enumerate(contenders)]
    evaluate_retrieval(watched, CaptionedVideos.of(TEXTS), folder)
    assert "".join(calls) == "012" + "012" + "120"


def test_a_model_that_tells_nothing_apart_scores_chance(folder: Path, demo: VideoEncoder) -> None:
    class Blind(VideoEncoder):
        def encode_text(self, texts: Sequence[str]) -> Tensor:
            return torch.zeros(len(texts), self.dim)

    made_of = {"preparation": demo.preparation, "fingerprint": demo.fingerprint}
    blind = Blind(demo.trunk, demo.method, **made_of, text=demo.text, tokenizer=demo.tokenizer)
    report = evaluate_retrieval(line_up(blind, ()), CaptionedVideos.of(TEXTS), folder)
    (score,) = report.scores
    assert (score.text_to_video, score.video_to_text) == report.chance


def test_a_model_without_texts_is_refused_before_a_video_is_read(tmp_path: Path, demo: VideoEncoder) -> None:
    mute = VideoEncoder(demo.trunk, demo.method, preparation=demo.preparation, fingerprint=demo.fingerprint)
    with pytest.raises(CheckpointError, match="has no text tower"):
        evaluate_retrieval(line_up(mute, ()), CaptionedVideos.of(TEXTS), tmp_path / "nowhere")


def test_the_record_is_plain(folder: Path, demo: VideoEncoder) -> None:
    document = evaluate_retrieval(line_up(demo, ()), CaptionedVideos.of(TEXTS), folder).to_json()
    assert document["scores"][0]["text_to_video"]["R@10"] == 100
    assert document["chance"]["video_to_text"]["queries"] == 2
    assert document["ties"].startswith("items of one score share their places")
    assert np.isfinite(document["scores"][0]["seconds"])
    assert document["scores"][0]["words"] == demo.texts.context
