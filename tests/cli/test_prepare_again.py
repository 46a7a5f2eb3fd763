"""vidskim prepare, run again after it was interrupted; nothing is downloaded here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vidskim.cli.main import main
from vidskim.pipeline import hub
from vidskim.pipeline.hub import RemoteModel


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["prepare", *arguments, "--yes"])
    return int(exit_info.value.code or 0)


def test_a_cached_copy_that_does_not_load_is_completed_a_local_one_is_not(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    write_model: Callable[..., None],
) -> None:
    folder, downloaded = tmp_path / "snapshot", []

    def download(remote: RemoteModel) -> Path:
        downloaded.append(remote.repo_id)
        write_model(folder / "model.safetensors", width=64, layers=1, patch=16, image=32)
        return folder / "model.safetensors"

    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    monkeypatch.setattr(hub, "_cached", lambda repo_id: folder)
    monkeypatch.setattr(hub, "look_up", lambda repo_id: RemoteModel(repo_id, {"model.safetensors": 9}))
    monkeypatch.setattr(hub, "download", download)
    assert (exit_code(str(folder)), downloaded) == (1, [])
    assert (exit_code("owner/model"), downloaded) == (0, ["owner/model"])
    captured = capsys.readouterr()
    assert "the copy of owner/model in the Hub cache does not load, so it is completed: " in captured.err
    assert "owner/model is ready" in captured.out
