"""vidskim prepare: size first, a question, a check; nothing is downloaded here."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vidskim.cli.main import main
from vidskim.errors import CheckpointError
from vidskim.pipeline import hub
from vidskim.pipeline.hub import RemoteModel
from vidskim.pipeline.load import load_model


@pytest.fixture
def model(tmp_path: Path, write_model: Callable[..., None]) -> Path:
    write_model(tmp_path / "model.safetensors", width=64, layers=1, patch=16, image=32)
    return tmp_path / "model.safetensors"


@pytest.fixture
def remote(model: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A Hub with one model that is not in the cache; returns what was downloaded."""
    downloaded: list[str] = []
    monkeypatch.setattr(hub, "_cached", lambda repo_id: None)
    monkeypatch.setattr(
        hub, "look_up", lambda repo_id: RemoteModel(repo_id, {"model.safetensors": 605_000_000})
    )
    monkeypatch.setattr(hub, "download", lambda remote: downloaded.append(remote.repo_id) or model)
    return downloaded


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(["prepare", *arguments])
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


def test_a_local_file_is_checked(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    code, out, _ = run(capsys, str(model), "--json")
    document = json.loads(out)
    assert (code, document["downloaded_bytes"], document["dimensions"]) == (0, 0, 32)
    assert document["model"] == "clip-vit w64 l1 h1 p16 i32 quick_gelu eps 1e-05"
    code, out, _ = run(capsys, str(model))
    assert "is ready: clip-vit w64 l1 h1 p16 i32" in out


def test_a_hub_model_says_its_size_and_wants_a_yes(
    capsys: pytest.CaptureFixture[str], remote: list[str]
) -> None:
    code, _, err = run(capsys, "owner/model")
    assert code == 2
    assert "owner/model: 605.0 MB in 1 files: model.safetensors" in err
    assert "downloading 605.0 MB needs a yes: add --yes" in err
    assert remote == []
    code, out, _ = run(capsys, "owner/model", "--yes", "--json")
    assert (code, json.loads(out)["downloaded_bytes"], remote) == (0, 605_000_000, ["owner/model"])


def test_what_cannot_be_had_is_one_clear_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, remote: list[str], tmp_path: Path
) -> None:
    def refuse(repo_id: str) -> RemoteModel:
        raise CheckpointError("cannot reach the Hub")

    monkeypatch.setattr(hub, "look_up", refuse)
    assert run(capsys, "owner/model")[::2] == (1, "error: cannot reach the Hub\n")
    code, out, _ = run(capsys, f"{tmp_path}/nowhere", "--json")
    assert (code, json.loads(out)["error"]["message"]) == (1, f"no such file or folder: {tmp_path}/nowhere")


def test_a_video_classifier_is_told_by_its_classes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(__file__).parents[1] / "fixtures" / "sta"
    code, _, err = run(capsys, str(folder))  # its authors' names do not tell the heads
    assert (code, "pass config={'heads': ...}" in err) == (1, True)
    loaded = partial(load_model, config={"heads": 4})
    monkeypatch.setattr("vidskim.pipeline.load.load_model", loaded)
    code, out, _ = run(capsys, str(folder), "--json")
    document = json.loads(out)
    assert (code, document["classes"], document["text"]) == (0, 10, False)
    code, out, _ = run(capsys, str(folder))
    assert "10 classes; files:" in out
