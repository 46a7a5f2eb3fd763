"""The public names are exactly these, and asking for the package costs nothing."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import vidskim
from vidskim import errors
from vidskim.video.write import write_video

NAMES = {
    "read_video",
    "iter_video",
    "probe",
    "Classification",
    "Clip",
    "ClipPlan",
    "RetrievalEncoder",
    "load_model",
    "VideoClassifier",
    "VideoEncoder",
    "Views",
    "Features",
    "Fingerprint",
    "Limits",
    "Stream",
    "StreamState",
    "Trace",
}


def error_names() -> set[str]:
    return {name for name in vars(errors) if name.endswith("Error")}


def test_the_exported_names_are_exactly_these() -> None:
    assert len(error_names()) >= 10
    assert set(vidskim.__all__) == NAMES | error_names() | {"__version__"}
    assert len(vidskim.__all__) == len(set(vidskim.__all__))


@pytest.mark.parametrize("name", sorted(vidskim.__all__))
def test_every_exported_name_exists(name: str) -> None:
    assert getattr(vidskim, name) is not None
    assert name in dir(vidskim)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'vidskim' has no attribute 'lod_model'"):
        vidskim.lod_model  # noqa: B018


def test_the_version_is_the_one_in_pyproject() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert vidskim.__version__ == project["version"]


def test_importing_is_cheap() -> None:
    code = "import sys, vidskim; print(sorted({'av', 'torch', 'typer', 'numpy', 'rich'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_readme_starts_with_code_that_uses_public_names() -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    before, code, *_ = re.split(r"```python\n|\n```\n", text[text.index("```python") - 1 :])
    assert text[: text.index("```python")].count("\n") < 40
    assert before.strip() == ""
    used = {node.attr for node in ast.walk(ast.parse(code)) if is_attribute_of_vidskim(node)}
    assert {"read_video", "load_model"} <= used <= set(vidskim.__all__)


def test_the_readmes_code_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    video, named = tmp_path / "seen.mp4", "world/videos/test-0-00000.mp4"
    shades = np.random.default_rng(0).integers(0, 256, (30, 64, 64, 3), dtype=np.uint8)
    write_video(video, shades, fps=10.0)
    code = "".join(blocks)
    assert len(blocks) >= 2
    assert code.count(named) == 1
    exec(code.replace(named, video.as_posix()), {})
    assert "best match at" in capsys.readouterr().out


def is_attribute_of_vidskim(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vidskim"
