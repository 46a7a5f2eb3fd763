"""Makes toy_task importable, in spawned processes too: they are given this process's import path."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP of random weights, with its tokenizer."""
    from small_clip import write_clip

    return write_clip(tmp_path_factory.mktemp("clip"))
