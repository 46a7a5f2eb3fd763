"""vidskim index --retrieval, and what later runs, searches and lists make of it, as typed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import Verb

from vidskim.models.adapter import ADAPTER_FILE, Adapter, save_adapter
from vidskim.models.checkpoint import read_checkpoint
from vidskim.models.lora import LowRank
from vidskim.pipeline.hub import DEMO
from vidskim.pipeline.origin import load_level_texts_of
from vidskim.store.dataset import Store

PLAN = json.dumps({"frames": 4, "joins": {"1": 2, "2": 2}, "r": 2, "across": 0.2})
OPTIONS = ("--retrieval", "demo", "--plan", PLAN, "--segment-s", 2)


@pytest.fixture(scope="module")
def clips(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short videos; not to be written into."""
    folder = tmp_path_factory.mktemp("two")
    for number in range(2):
        shutil.copy(rendered / f"v{number}.mp4", folder)
    return folder


def test_index_search_and_list_with_levels(
    clips: Path, rendered: Path, tmp_path: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert verb("index", clips / "v0.mp4", "--store", store, "--fps", 2)[0] == 0
    code, refused, _ = verb("search", "a red square", "--store", store, "--level", "video")
    assert code == 1
    assert "--retrieval MODEL` makes them" in refused["error"]["message"]
    assert verb("store", "list", "--store", store)[1]["levels"] is None

    code, report, said = verb("index", clips / "v1.mp4", "--store", store, "--fps", 2, *OPTIONS)
    assert (code, report["done"], report["skipped"]) == (0, 2, 0)
    assert "1 videos in" in said
    assert "no vectors of segments yet: they are encoded again" in said
    listed = verb("store", "list", "--store", store)[1]
    assert listed["levels"]["plan"]["frames"] == 4
    assert (listed["levels"]["videos"], listed["levels"]["segment_s"]) == (2, 2.0)
    assert (
        sum(video["segments"] for video in listed["videos"])
        == listed["levels"]["segments"]
        == report["segments"] + 0
    )

    code, report, _ = verb("index", rendered / "v2.mp4", "--store", store, "--fps", 2)  # goes on by itself
    assert (code, report["done"], report["segments"] > 0) == (0, 1, True)
    check_searches(store, verb)

    code, refused, _ = verb("index", clips, "--store", store, "--fps", 2, *OPTIONS[:4], "--segment-s", 3)
    assert code == 1
    assert "settings.segment_s: 2.0 -> 3.0" in refused["error"]["message"]
    code, report, _ = verb(
        "index", clips, "--store", store, "--fps", 2, *OPTIONS[:4], "--segment-s", 3, "--reindex"
    )
    assert (code, report["done"]) == (0, 3)
    assert verb("store", "list", "--store", store)[1]["levels"]["segment_s"] == 3.0


def check_searches(store: Path, verb: Verb) -> None:
    """Both levels answer, and the search by frames is as without."""
    code, videos, _ = verb("search", "a red square", "--store", store, "--level", "video")
    assert code == 0
    assert videos["level"] == "video"
    assert {row["name"] for row in videos["found"]} == {"v0.mp4", "v1.mp4", "v2.mp4"}
    assert set(videos["stages"]["took_ms"]) == {"videos", "segments"}
    assert videos["stages"]["without"] == 0
    asked: list[Any] = ["search", "a red square", "--store", store, "--min-score", -1]
    moments, plain = verb(*asked, "--level", "moment")[1], verb(*asked)[1]
    assert set(moments["stages"]["took_ms"]) == {"segments", "moments"}
    assert moments["found"] == plain["found"]
    assert plain["stages"] is None


def make_adapter(number: int) -> Adapter:
    """A random one beside the bundled model; the number tells its text tower from others."""
    checkpoint, generator = read_checkpoint(DEMO), torch.Generator().manual_seed(0)
    assert checkpoint.text is not None
    pairs = {}
    for tower, width in (("vision", checkpoint.vision.width), ("text", checkpoint.text.width)):
        down = torch.randn(2, width, generator=generator) * 0.1
        pairs[tower] = {0: LowRank(down, torch.randn(3 * width, 2, generator=generator) * 0.1)}
    texts = {0: LowRank(pairs["text"][0].down * number, pairs["text"][0].up)}
    return Adapter(pairs["vision"], texts, settings={"plan": json.loads(PLAN)})


def test_an_adapter_is_used_at_both_ends(clips: Path, tmp_path: Path, verb: Verb) -> None:
    """Texts are encoded with it too, and the store knows it from another."""
    files = [tmp_path / f"adapter-{number}.safetensors" for number in (1, 2)]
    for number, file in enumerate(files, start=1):
        save_adapter(file, make_adapter(number), backbone=read_checkpoint(DEMO).backbone)
    store = tmp_path / "store"
    made = ("index", clips, "--store", store, "--fps", 2, "--retrieval", "demo", "--adapter")
    assert verb(*made, files[0])[0] == 0
    opened = Store.open(store)
    texts_of = load_level_texts_of(opened, device="cpu").encode_text(["a red square"])
    assert not torch.allclose(texts_of, load_plain(), atol=1e-3)
    assert verb("search", "a red square", "--store", store, "--level", "video")[1]["stages"]["without"] == 0
    code, refused, _ = verb(*made, files[1])
    assert code == 1
    assert "of another retrieval model, adapter or plan" in refused["error"]["message"]
    files[0].write_bytes(files[1].read_bytes())
    code, refused, _ = verb("search", "a red square", "--store", store, "--level", "video")
    assert code == 1
    assert "is not the retrieval model that made" in refused["error"]["message"]


def test_an_adapter_in_the_models_folder_is_the_stores_too(
    clips: Path, rendered: Path, tmp_path: Path, verb: Verb
) -> None:
    """Nobody names it, neither when the store is made nor when it goes on, and with another one it does not."""
    model, store, some = tmp_path / "model", tmp_path / "store", tmp_path / "some"
    shutil.copytree(DEMO, model)
    save_adapter(model / ADAPTER_FILE, make_adapter(1), backbone=read_checkpoint(DEMO).backbone)
    some.mkdir()
    shutil.copy(clips / "v0.mp4", some)
    first = verb("index", some, "--store", store, "--model", model, "--fps", 2, "--retrieval", model)
    assert first[0] == 0
    shutil.copy(clips / "v1.mp4", some)
    code, document, _ = verb("index", some, "--store", store, "--fps", 2)
    assert (code, document["done"]) == (0, 1)
    code, found, _ = verb("search", "a red square", "--store", store, "--level", "video")
    assert (code, len(found["found"]), found["stages"]["without"]) == (0, 2, 0)
    moved = model.rename(tmp_path / "moved")
    asked = ("search", "a red square", "--store", store, "--level", "video")
    assert verb(*asked)[0] == 1
    code, again, _ = verb(*asked, "--retrieval", moved)
    assert (code, again["found"]) == (0, found["found"])
    moved.rename(model)
    save_adapter(model / ADAPTER_FILE, make_adapter(2), backbone=read_checkpoint(DEMO).backbone)
    shutil.copy(rendered / "v2.mp4", some)
    code, refused, _ = verb("index", some, "--store", store, "--fps", 2)
    assert code == 1
    assert "is not the retrieval model that made" in refused["error"]["message"]


def load_plain() -> Any:
    from vidskim.pipeline.load import load_text_encoder

    return load_text_encoder("demo", device="cpu").encode_text(["a red square"])


def test_details_without_a_model_and_odd_levels_are_refused(
    library: Path, rendered: Path, verb: Verb
) -> None:
    code, refused, _ = verb("index", rendered, "--segment-s", 5)
    assert code == 2
    assert "--segment-s is about the model of --retrieval, which is missing" in refused["error"]["message"]
    code, refused, _ = verb("index", rendered, "--retrieval", "demo", "--plan", "{frames")
    assert "--plan takes a name or JSON, received '{frames'" in refused["error"]["message"]
    code, refused, _ = verb("search", "a", "--level", "frame")
    assert "moment, video" in refused["error"]["message"]
    code, refused, _ = verb("search", "a", "--level", "video", "--per-video", 1)
    assert "--per-video, --between and --window are about moments" in refused["error"]["message"]
    code, refused, _ = verb("search", "a", "--level", "video", "--window", 1)
    assert "--per-video, --between and --window are about moments" in refused["error"]["message"]
    code, refused, _ = verb("search", "a", "--retrieval", "demo")
    assert "--retrieval goes with --level; received --retrieval demo" in refused["error"]["message"]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("index", ("--retrieval", "--adapter", "--plan", "--segment-s")),
        ("search", ("--level", "--retrieval")),
    ],
)
def test_help_names_the_options(
    name: str, texts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    from vidskim.cli.main import main

    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = capsys.readouterr().out
    assert all(text in shown for text in texts)
