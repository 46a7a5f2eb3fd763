"""vidskim prepare: the only verb that downloads."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vidskim.cli.console import JsonOption, Outcome, bytes_text, note, run_verb
from vidskim.errors import CheckpointError, SettingsError


def prepare(
    model: Annotated[str, typer.Argument(help="A Hub id, a folder, a checkpoint file, or demo.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Download without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model and check that it loads.

    The only verb that downloads: it says the size first, asks, and fetches only what loading needs.

    A local folder or file is only checked.

    Examples:

      vidskim prepare openai/clip-vit-base-patch32

      vidskim prepare ./my-clip-folder --json
    """
    run_verb(lambda: _prepare(model, yes=yes), as_json=as_json)


def _prepare(model: str, *, yes: bool) -> Outcome:
    from vidskim.pipeline.hub import is_from_hub, resolve

    path, downloaded = None, 0
    try:
        path = resolve(model)
        facts = _check(path)
    except CheckpointError as error:
        if not is_from_hub(model):
            raise
        if path is not None:  # a download that broke off may have left part of it
            note(f"the copy of {model} in the Hub cache does not load, so it is completed: {error}")
        path, downloaded = _fetch(model, yes=yes)
        facts = _check(path)
    told = (
        f"{facts['classes']} classes"
        if "classes" in facts
        else f"text tower: {'yes' if facts['text'] else 'no'}"
    )
    lines = [
        f"{model} is ready: {facts['model']}, {facts['parameters'] / 1e6:.1f} M parameters, {facts['layout']}",
        f"prepared as {facts['preparation']}",
        f"{told}; files: {path}",
    ]
    return Outcome({"source": model, "path": str(path), "downloaded_bytes": downloaded, **facts}, lines)


def _fetch(repo_id: str, *, yes: bool) -> tuple[Path, int]:
    """Say the size, ask, download."""
    from vidskim.pipeline.hub import download, look_up

    remote = look_up(repo_id)
    note(
        f"{repo_id}: {bytes_text(remote.size_bytes)} in {len(remote.files)} files: {', '.join(remote.files)}"
    )
    if not yes:
        if not sys.stdin.isatty():
            raise SettingsError(f"downloading {bytes_text(remote.size_bytes)} needs a yes: add --yes")
        typer.confirm("download?", abort=True, err=True)
    return download(remote), remote.size_bytes


def _check(path: Path) -> dict[str, Any]:
    """Load the model once, on the CPU."""
    from vidskim.pipeline.classifier import VideoClassifier
    from vidskim.pipeline.load import load_model

    model = load_model(path, device="cpu", dtype="float32")
    classifies = isinstance(model, VideoClassifier)
    return {
        "model": model.fingerprint.model,
        "layout": "folder" if path.is_dir() else "file",
        "parameters": sum(parameter.numel() for parameter in model.trunk.parameters()),
        **({"classes": len(model.labels)} if classifies else {"dimensions": model.dim}),
        "preparation": model.fingerprint.preparation,
        "weights": model.fingerprint.weights,
        "text": not classifies and model.text is not None,
    }
