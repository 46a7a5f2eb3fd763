"""The command line as a whole: quick help, wrong usage, one document on stdout."""

import json
import subprocess
import sys

import pytest

import vidskim
from vidskim.cli.main import app, main

VERBS = {
    *("doctor", "prepare", "demo", "synth", "extract", "index", "search", "ground"),
    *("classify", "explain", "calibrate", "serve", "watch"),
}
GROUPS = {
    "store": {"list", "remove", "move", "compact", "index"},
    "train": {"contrastive", "distill", "recognition", "retrieval"},
    "evaluate": {"recognition", "retrieval"},
}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    captured = capsys.readouterr()
    return int(exit_info.value.code or 0), captured.out, captured.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom vidskim.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'av', 'numpy', 'huggingface_hub', 'safetensors', 'lancedb', 'pyarrow', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_python_can_run_it_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "vidskim", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.startswith("vidskim ")


def test_the_verbs_are_these_and_each_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert {command.name for command in app.registered_commands} == VERBS
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    assert {
        name: {verb.name for verb in group.registered_commands} for name, group in groups.items() if group
    } == GROUPS
    inner = [[name, verb] for name, verbs in GROUPS.items() for verb in sorted(verbs)]
    for words in ([verb] for verb in sorted(VERBS)), inner:
        for verb in words:
            code, out, _ = run(capsys, *verb, "--help")
            assert code == 0
            assert "Examples:" in out, verb
            assert f"vidskim {' '.join(verb)}" in out
            assert "--json" in out


def test_the_groups_are_these_and_each_verb_in_them_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert {group.name for group in app.registered_groups} == set(GROUPS)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        verbs = {command.name for command in group.typer_instance.registered_commands}
        assert verbs == GROUPS[str(group.name)]
        for verb in sorted(map(str, verbs)):
            code, out, _ = run(capsys, str(group.name), verb, "--help")
            assert code == 0
            assert "Examples:" in out
            assert f"vidskim {group.name} {verb}" in out
            assert "--json" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["extrct"], "Did you mean 'extract'"),
        (["extract", "x.mp4", "--metod", "full"], "--method"),
        (["extract", "x.mp4", "--out", "o", "--model", "m", "--intrleave", "2"], "--interleave"),
        (["extract", "--out", "o", "--model", "m"], "Missing argument"),
        (["extract", "x.mp4", "--out", "o", "--model", "m", "--limit", "0"], "--limit"),
        (["doctor", "extra"], "extra"),
        (["serch", "a dog"], "Did you mean 'search'"),
        (["search", "a dog", "--folders", "x"], "--folder"),
        (["search", "a dog", "--between", "3"], "--between"),
        (["ground", "x.mp4"], "Missing argument"),
        (["store", "lst"], "Did you mean 'list'"),
    ],
)
def test_wrong_usage_is_exit_2_and_names_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 2
    error = json.loads(out)["error"]
    assert error["type"] == "UsageError"
    assert message in error["message"]


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert code == 2
    assert "extract" in out + err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"vidskim {vidskim.__version__}\n"
