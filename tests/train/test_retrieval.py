"""Training of retrieval, in small: it learns, it resumes exactly, what it writes loads and says the same."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_clip
import torch
from safetensors.torch import load_file
from small_clip import LOOP, small_task
from test_distributed import free_ports

from vidskim.errors import CheckpointError, SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.models.adapter import ADAPTER_FILE, Adapter, read_adapter
from vidskim.pipeline.load import load_model
from vidskim.train.checkpoint import list_checkpoints
from vidskim.train.metrics import read_metrics
from vidskim.train.retrieval import make_task, train_retrieval
from vidskim.train.retriever import Retriever
from vidskim.train.selection import MODEL, read_result
from vidskim.video.prepare import normalise


@pytest.fixture(scope="module")
def begun(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of two steps."""
    out = tmp_path_factory.mktemp("begun")
    train_retrieval(small_task(clip), out, replace(LOOP, steps=2))
    return out


def losses(out: Path) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in read_metrics(out) if "loss" in line]


def put(adapter: Adapter, model: Retriever) -> None:
    """The same weights where they learnt."""
    model.begin_at(adapter.positions)
    for tower, additions in ((model.vision, adapter.vision), (model.text, adapter.text)):
        for number, pair in additions.items():
            qkv = tower.get_submodule(f"blocks.{number}.attention.qkv")
            qkv.load_state_dict({**qkv.state_dict(), **pair._asdict()})


def test_what_is_learnt_loads_and_says_the_same(clip: Path, tmp_path: Path) -> None:
    what = small_task(clip)
    task = make_task(what, seed=0)
    report = train_retrieval(what, tmp_path, LOOP)
    result = read_result(tmp_path)
    assert {"t2v_r1", "t2v_r_sum", "v2t_r1", "v2t_r_sum", "r_sum_both", "unreadable"} == set(report.metrics)
    assert result["best"]["step"] in (2, 4, 6)
    curve = [line["validation"]["r_sum_both"] for line in read_metrics(tmp_path) if "validation" in line]
    assert result["best"]["r_sum_both"] == max(curve)
    model = load_model(
        clip, method="tempme", adapter=tmp_path / ADAPTER_FILE, dtype="float32"
    )  # the plan is the adapter's
    assert (model.plan().plan.frames, model.method.split) == (4, "place")
    held_out = task.pairs.held_out
    clips = [normalise(held_out.read(number), model.preparation) for number in range(8)]
    vectors = model.encode_video(torch.stack(clips))
    adapter = read_adapter(tmp_path / ADAPTER_FILE)
    put(adapter, task.model)
    with torch.no_grad():
        frames = torch.from_numpy(np.stack([held_out.read(number) for number in range(8)]))
        torch.testing.assert_close(task.model.encode_videos(frames), vectors, rtol=0, atol=1e-5)
        ids = task.texts.encode(held_out.sentences[:5])
        texts = model.encode_text(held_out.sentences[:5])
        torch.testing.assert_close(task.model.encode_texts(ids), texts, rtol=0, atol=1e-5)
    frozen = make_task(what, seed=0).model
    with torch.no_grad():  # and it is not what it was
        assert not torch.allclose(frozen.encode_videos(frames), vectors, atol=1e-3)


def test_what_bfloat16_learns_is_what_float32_gives(clip: Path, tmp_path: Path) -> None:
    what = small_task(clip)
    train_retrieval(what, tmp_path, replace(LOOP, precision="bfloat16"))
    assert losses(tmp_path)[-1][1] < losses(tmp_path)[0][1]
    adapter, task = read_adapter(tmp_path / ADAPTER_FILE), make_task(what, seed=0)
    assert {value.dtype for value in adapter.to_state().values()} == {torch.float32}
    put(adapter, task.model)
    model = load_model(clip, method="tempme", adapter=tmp_path / ADAPTER_FILE, dtype="float32")
    frames = [task.pairs.held_out.read(number) for number in range(16)]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        trained = task.model.encode_videos(torch.from_numpy(np.stack(frames))).float()
    loaded = model.encode_video(torch.stack([normalise(video, model.preparation) for video in frames]))
    torch.testing.assert_close(trained, loaded, rtol=0, atol=0.01)
    assert torch.pdist(loaded).median() > 0.1


def test_only_the_adapter_learns(clip: Path) -> None:
    model = make_task(small_task(clip), seed=0).model
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert {name.split(".")[-1] for name in learning} == {"down", "up", "1", "2"}
    assert sum("blocks" in name for name in learning) == 2 * (4 + 2)


def test_it_learns_its_own_batch(clip: Path) -> None:
    task = make_task(small_task(clip), seed=0)
    batch = task.source[0]
    trained = [value for value in task.model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    values = []
    for _ in range(12):
        loss, numbers = task.loss(task.model, batch, torch.Generator())
        values.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert values[-1] < 0.8 * values[0]
    assert 0 <= float(numbers["batch_r1"]) <= 1


def test_chunks_change_memory_and_nothing_else(clip: Path) -> None:
    """Gradients of a batch that is encoded in parts are those of the whole."""
    found = []
    for chunk in (None, 3):
        task = make_task(small_task(clip, chunk=chunk), seed=0)
        with torch.no_grad():  # zeros would hide half of the gradients
            for name, value in task.model.named_parameters():
                if name.endswith(".up"):
                    value.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
        task.loss(task.model, task.source[0], torch.Generator())[0].backward()
        found.append({name: p.grad for name, p in task.model.named_parameters() if p.grad is not None})
    whole, parts = found
    assert whole.keys() == parts.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)


def test_a_training_goes_on_with_the_same_curve(clip: Path, tmp_path: Path) -> None:
    what = small_task(clip)
    train_retrieval(what, tmp_path / "whole", LOOP)

    class StopError(Exception):
        """Ends it in the middle."""

    def stop(report: object) -> None:
        if report.step == 5:  # type: ignore[attr-defined]
            raise StopError

    with pytest.raises(StopError):
        train_retrieval(what, tmp_path / "cut", LOOP, on_step=stop)
    assert max(list_checkpoints(tmp_path / "cut")) == 4
    report = train_retrieval(what, tmp_path / "cut", LOOP)
    assert report.resumed_from == 4
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")
    assert read_result(tmp_path / "cut") == read_result(tmp_path / "whole")
    first, second = (load_file(tmp_path / name / ADAPTER_FILE) for name in ("whole", "cut"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_is_bound_is_what_counts(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    for same in ({"batch": None}, {"batch": 32}), ({"words": 32}, {"words": 100}), ({"rank": 2}, {"rank": 4}):
        one, other = (make_task(small_task(clip, tune="full", **each), seed=0).settings for each in same)
        assert one == other
    assert [message.split(":")[0] for message in caplog.messages] == ["the model reads 32 tokens of a text"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 3}, "rank was 2, is 3"),
        ({"position_std": 0.1}, "position_std was 0.5, is 0.1"),
        ({"batch": 16}, "batch was 8, is 16"),
        ({"settings": {"plan": small_clip.PLAN, "merge": False}}, "method was"),
        (
            {"config": {"activation": "quick_gelu"}},
            "config activation was 'gelu', is 'quick_gelu'; config text_act",
        ),
        ({"config": {"mean": [0.5, 0.5, 0.5]}}, "config mean was"),
        ({"words": 12}, "words was 32, is 12"),
        ({"tune": "full"}, "tune was 'lora', is 'full'"),
    ],
)
def test_going_on_with_other_settings_is_refused(
    clip: Path, begun: Path, change: dict[str, object], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        train_retrieval(small_task(clip, **change), begun, replace(LOOP, steps=2))


def test_an_adapter_is_of_the_config_it_was_trained_with(clip: Path, begun: Path) -> None:
    assert read_adapter(begun / ADAPTER_FILE).words == 32
    with pytest.raises(CheckpointError, match=r"activation was 'gelu', is 'quick_gelu'; text_activation was"):
        load_model(clip, method="tempme", adapter=begun / ADAPTER_FILE, config={"activation": "quick_gelu"})


def test_a_plan_that_is_not_given_is_that_of_the_adapter_beside_the_model(clip: Path, tmp_path: Path) -> None:
    train_retrieval(small_task(clip, tune="full"), tmp_path, replace(LOOP, steps=2))
    method = make_task(small_task(tmp_path / MODEL, settings={"split": "clip"}), seed=0).model.method
    assert (method.plan.to_record()["joins"], method.split) == (small_clip.PLAN["joins"], "clip")
    with pytest.raises(SettingsError, match="no plan is published"):
        make_task(small_task(clip, settings={}), seed=0)


def test_an_adapter_knows_how_it_was_trained(clip: Path, tmp_path: Path) -> None:
    what = small_task(clip, settings={"plan": small_clip.PLAN, "split": "clip", "merge": False})
    train_retrieval(what, tmp_path, replace(LOOP, steps=2))
    method = load_model(clip, method="tempme", adapter=tmp_path / ADAPTER_FILE).method
    assert (method.split, method.plan.r, method.plan.across) == ("clip", 0, 0.0)
    other = load_model(clip, method="tempme", adapter=tmp_path / ADAPTER_FILE, split="place").method
    assert (other.split, other.plan) == ("place", method.plan)


def test_a_second_full_training_goes_on_from_the_clip_positions(clip: Path, tmp_path: Path) -> None:
    train_retrieval(small_task(clip, tune="full"), tmp_path, replace(LOOP, steps=2))
    first = read_adapter(tmp_path / MODEL / ADAPTER_FILE).positions
    second = make_task(small_task(tmp_path / MODEL, tune="full"), seed=5)
    assert second.model.positions.keys() == {str(layer) for layer in first}
    for layer, table in first.items():
        assert torch.equal(second.model.positions[str(layer)], table)
    assert second.settings["positions"] != make_task(small_task(clip), seed=5).settings["positions"]


def test_lora_beside_the_model_is_not_gone_on_from_and_that_is_said(
    clip: Path, begun: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = shutil.copytree(clip, tmp_path / "clip")
    shutil.copy(begun / ADAPTER_FILE, model)
    task, plain = make_task(small_task(model, settings={}), seed=0), make_task(small_task(clip), seed=0)
    assert task.model.method == plain.model.method
    assert all(torch.equal(task.model.positions[n], table) for n, table in plain.model.positions.items())
    assert "is not gone on from: LoRA and clip positions begin anew" in caplog.text


@pytest.fixture(scope="module")
def two(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have trained together."""
    out, ports = tmp_path_factory.mktemp("two"), free_ports(2)
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    command = [sys.executable, "-W", "error", small_clip.__file__, str(clip), str(out), *ports]
    processes = [
        subprocess.Popen(command, env={**os.environ, **told, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=180) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return out


def test_two_ranks_train_what_one_would(clip: Path, two: Path, tmp_path: Path) -> None:
    """Each with half of the batch, with the loss over both halves."""
    train_retrieval(small_task(clip), tmp_path, LOOP)
    both, one = losses(two / "halves"), losses(tmp_path)
    assert [step for step, _ in both] == [step for step, _ in one]
    assert [loss for _, loss in both] == pytest.approx([loss for _, loss in one], rel=1e-3)
    norms = [
        [line["gradient_norm"] for line in read_metrics(out) if "loss" in line]
        for out in (two / "halves", tmp_path)
    ]
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)
    first, second = (load_file(list_checkpoints(out)[LOOP.steps]) for out in (tmp_path, two / "halves"))
    for name, value in first.items():
        if name.startswith("model."):
            torch.testing.assert_close(second[name], value, rtol=1e-2, atol=1e-3)
    assert one[-1][1] < one[0][1]


def test_two_ranks_select_once(clip: Path, two: Path) -> None:
    """The first one asks and writes; what it writes is whole."""
    result = read_result(two / "whole")
    lines = read_metrics(two / "whole")
    curve = [line["validation"]["r_sum_both"] for line in lines if "validation" in line]
    assert result["best"]["r_sum_both"] == max(curve)
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, LOOP.steps + 1))
    assert load_model(clip, method="tempme", adapter=two / "whole" / ADAPTER_FILE).frames == 4


def test_a_model_without_text_is_refused(tmp_path: Path, clip: Path) -> None:
    (clip_copy := tmp_path / "clip").mkdir()
    for file in clip.iterdir():
        if file.name != "tokenizer.json":
            (clip_copy / file.name).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="retrieval is trained on a whole CLIP"):
        make_task(small_task(clip_copy), seed=0)


def test_epochs_are_passes_over_the_sentences(clip: Path, tmp_path: Path) -> None:
    from footage_files import write_square

    paths = tuple(write_square(tmp_path / f"{n}.mp4", frames=5, seed=n) for n in range(6))
    rows = [(path.stem, f"video {path.stem} {turn}") for path in paths for turn in range(3)]
    what = small_task(
        clip, videos=(CaptionedVideos.of(rows), paths), held_out=0.34, batch=2, epochs=1.0, augment=False
    )
    report = train_retrieval(what, tmp_path / "out", replace(LOOP, checkpoint_every=100))
    assert report.steps == 6  # four videos of three sentences, two at a time
    assert read_result(tmp_path / "out")["best"]["unreadable"] == 0
