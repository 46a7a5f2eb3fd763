"""What verbs need: models, a few videos, a store, and a way to run a command line."""

import json
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from vidskim.cli.main import main
from vidskim.pipeline.hub import DEMO
from vidskim.synth.draw import draw_script
from vidskim.synth.render import render_video
from vidskim.video.write import write_video

Verb = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run a command line with --json: its exit code, its document, and what it said on stderr."""

    def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
        with pytest.raises(SystemExit) as exit_info:
            main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        return int(exit_info.value.code or 0), json.loads(captured.out), captured.err

    return run


@pytest.fixture(scope="session")
def clip_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP folder on disk: the bundled model, without its least score."""
    folder = tmp_path_factory.mktemp("models") / "clip"
    shutil.copytree(DEMO, folder)
    (folder / "vidskim.json").unlink()
    return folder


@pytest.fixture(scope="session")
def videomae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face VideoMAE of random weights, with three classes."""
    config = transformers.VideoMAEConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        image_size=32,
        patch_size=8,
        num_frames=8,
        use_mean_pooling=True,
        id2label={0: "walks", 1: "jumps", 2: "sleeps"},
    )
    torch.manual_seed(0)
    model = transformers.VideoMAEForVideoClassification(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    transformers.logging.disable_progress_bar()
    folder = tmp_path_factory.mktemp("models") / "videomae"
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of the synthetic world, four to six seconds; not to be written into."""
    folder = tmp_path_factory.mktemp("rendered")
    for number in range(3):
        frames = render_video(draw_script("test", seed=0, number=number), fps=6.0, height=96, width=128)
        write_video(folder / f"v{number}.mp4", islice(frames, 24 + 6 * number), 6.0)
    return folder


@pytest.fixture(scope="session")
def indexed(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of those videos, as `vidskim index` makes it by default; not to be written into."""
    folder = tmp_path_factory.mktemp("stores") / "store"
    with pytest.raises(SystemExit) as exit_info:
        main(["index", str(rendered), "--store", str(folder)])
    assert exit_info.value.code == 0
    return folder


@pytest.fixture
def library(rendered: Path, indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own, with a copy of the store as vidskim-store, from where commands run."""
    shutil.copytree(indexed, tmp_path / "vidskim-store")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def write_model() -> Callable[..., None]:
    """See `_write_model`."""
    return _write_model


def _write_model(path: Path, *, width: int, layers: int, patch: int, image: int, seed: int = 0) -> None:
    """A checkpoint file in CLIP's own layout with seeded random weights: image tower and residual tokenizer.

    Args:
        path: ends in ".safetensors".
        width: of the tokens, a multiple of 64.
        layers: blocks.
        patch: side of a patch in pixels.
        image: side of the input in pixels.
    """
    generator = torch.Generator().manual_seed(seed)
    embed, hidden = width // 2, 4 * width

    def random(*shape: int, scale: float) -> Tensor:
        return torch.randn(shape, generator=generator) * scale

    def norm(name: str) -> dict[str, Tensor]:
        return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}

    def linear(name: str, out: int, into: int, *, joint: str = ".") -> dict[str, Tensor]:
        return {
            f"{name}{joint}weight": random(out, into, scale=into**-0.5),
            f"{name}{joint}bias": torch.zeros(out),
        }

    state = {
        "visual.class_embedding": random(width, scale=0.3),
        "visual.positional_embedding": random((image // patch) ** 2 + 1, width, scale=0.3),
        "visual.conv1.weight": random(width, 3, patch, patch, scale=1.0 / patch),
        "visual.proj": random(width, embed, scale=width**-0.5),
        **norm("visual.ln_pre"),
        **norm("visual.ln_post"),
    }
    for layer in range(layers):
        block = f"visual.transformer.resblocks.{layer}"
        state |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
        state |= linear(f"{block}.attn.in_proj", 3 * width, width, joint="_")
        state |= linear(f"{block}.attn.out_proj", width, width)
        state |= linear(f"{block}.mlp.c_fc", hidden, width) | linear(f"{block}.mlp.c_proj", width, hidden)
    residual = "visual.projection_residual_feature"
    state |= linear(f"{residual}.0", width, embed) | linear(f"{residual}.2", width, width)
    save_file(state, path)
