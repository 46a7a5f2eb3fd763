"""Names to folders, with a Hub that is not there."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from vidskim.errors import CheckpointError
from vidskim.pipeline import hub
from vidskim.pipeline.hub import RemoteModel, download, is_from_hub, is_hub_id, look_up, needed_files, resolve


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A snapshot folder that the Hub's client would return; missing until made."""
    folder = tmp_path / "snapshot"

    def snapshot_download(repo_id: str, *, local_files_only: bool = False, **_: Any) -> str:
        assert local_files_only, "no network here"
        if not folder.exists():
            raise LocalEntryNotFoundError("not cached")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return folder


def test_local_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    assert resolve(tmp_path) == tmp_path
    assert resolve(str(tmp_path)) == tmp_path


def test_a_cached_model_is_found_and_a_missing_one_names_the_command(cache: Path) -> None:
    with pytest.raises(CheckpointError, match="run `vidskim prepare owner/model` once"):
        resolve("owner/model")
    cache.mkdir()
    (cache / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="run `vidskim prepare owner/model` once"):
        resolve("owner/model")
    (cache / "model.safetensors").write_bytes(b"")
    assert resolve("owner/model") == cache


def test_a_part_of_the_shards_does_not_count_as_cached(cache: Path) -> None:
    cache.mkdir()
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (cache / shards[0]).write_bytes(b"")
    index = cache / "model.safetensors.index.json"
    for text in (
        None,
        "{",
        '{"weight_map": {}}',
        json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}),
    ):
        if text is not None:
            index.write_text(text)
        with pytest.raises(CheckpointError, match="run `vidskim prepare owner/model` once"):
            resolve("owner/model")
    (cache / shards[1]).write_bytes(b"")
    assert resolve("owner/model") == cache


def test_only_hub_ids_are_from_the_hub(tmp_path: Path) -> None:
    assert is_from_hub("owner/model")
    assert not any(
        map(is_from_hub, ["demo", "demo-action", str(tmp_path), "model.safetensors", "./owner/model"])
    )


def test_the_demo_model_is_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    assert resolve("demo") == hub.DEMO  # whatever lies where the command runs
    assert resolve("./demo") == Path("demo")
    assert resolve("demo-action") == hub.DEMO_ACTION
    assert all((folder / "model.safetensors").is_file() for folder in hub.BUNDLED.values())


@pytest.mark.parametrize(
    "name", ["/no/such/folder", "./model", "../model", "a/b/c", "weights.safetensors", "~/x y"]
)
def test_what_can_only_be_a_path_is_not_looked_up(name: str) -> None:
    assert not is_hub_id(name)
    with pytest.raises(CheckpointError, match=f"no such file or folder: {name}"):
        resolve(name)


def test_only_the_needed_files_are_chosen() -> None:
    companions = ["config.json", "merges.txt", "preprocessor_config.json", "tokenizer.json", "vocab.json"]
    others = ["README.md", "flax_model.msgpack", "onnx/model.safetensors", "pytorch_model.bin", "tf_model.h5"]
    assert needed_files([*companions, *others, "model.safetensors"]) == sorted(
        [*companions, "model.safetensors"]
    )
    shards = [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
    ]
    assert needed_files([*shards, "model.fp16.safetensors"]) == shards
    assert needed_files(["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]) == [
        "open_clip_model.safetensors"
    ]
    assert needed_files(["pytorch_model.bin", "training_args.bin"]) == ["pytorch_model.bin"]
    with pytest.raises(CheckpointError, match="owner/x holds no weights"):
        needed_files(["README.md", "sub/model.safetensors"], repo_id="owner/x")


def test_the_size_is_known_before_downloading(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"config.json": 10, "model.safetensors": 1000, "tf_model.h5": 5000, ".gitattributes": None}
    siblings = [SimpleNamespace(rfilename=name, size=size) for name, size in files.items()]
    monkeypatch.setattr(
        huggingface_hub.HfApi, "model_info", lambda self, *_, **__: SimpleNamespace(siblings=siblings)
    )
    assert look_up("owner/model") == RemoteModel(
        "owner/model", {"config.json": 10, "model.safetensors": 1000}
    )
    assert look_up("owner/model").size_bytes == 1010


def test_without_network_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    for attempt in (lambda: look_up("owner/model"), lambda: download(RemoteModel("owner/model", {}))):
        with pytest.raises(
            CheckpointError, match=r"(?s)cannot reach the Hub.*not known.*hf download owner/.*path"
        ):
            attempt()


def test_an_impossible_id_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise HFValidationError("bad")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(CheckpointError, match="'a b' is not a Hub id"):
        look_up("a b")


def test_only_the_chosen_files_are_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda repo_id, **options: asked.update(options) or str(tmp_path),
    )
    assert download(RemoteModel("owner/model", {"config.json": 1, "model.safetensors": 2})) == tmp_path
    assert asked["allow_patterns"] == ["config.json", "model.safetensors"]


def test_files_of_the_wrong_size_are_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"config.json": 5, "model.safetensors": 7, "vocab.json": 3}.items():
        (tmp_path / name).write_bytes(bytes(size))
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda _, **options: asked.append(options) or str(tmp_path)
    )
    download(RemoteModel("owner/model", {"config.json": 5, "model.safetensors": 9, "vocab.json": 0}))
    assert asked[1:] == [{"allow_patterns": ["model.safetensors"], "force_download": True}]
