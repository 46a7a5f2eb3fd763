"""Outcomes and errors to streams and exit codes."""

import json
import os
import signal
from collections.abc import Callable

import pytest
import typer

from vidskim.cli.console import Outcome, bytes_text, progress_line, run_verb
from vidskim.errors import CannotOpenError, CheckpointError, FingerprintError, SettingsError
from vidskim.pipeline.progress import Progress


def run(body: Callable[[], Outcome], *, as_json: bool) -> int:
    with pytest.raises(typer.Exit) as exit_info:
        run_verb(body, as_json=as_json)
    return exit_info.value.exit_code


def raising(error: BaseException) -> Callable[[], Outcome]:
    def body() -> Outcome:
        print("chatter")
        raise error

    return body


def noisy() -> Outcome:
    print("chatter")
    return Outcome({"answer": 42}, ["the answer is [42]"], 3)


def test_an_outcome_is_alone_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(noisy, as_json=True) == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"answer": 42}
    assert captured.err == "chatter\n"
    assert run(noisy, as_json=False) == 3
    assert capsys.readouterr().out == "the answer is [42]\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("no such setting"), 2),
        (CheckpointError("no weights"), 1),
        (FingerprintError("another run", remedy="overwrite"), 1),
        (CannotOpenError("no", path="x.mp4"), 1),
    ],
)
def test_errors_are_one_line_or_one_document(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    assert run(raising(error), as_json=False) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"chatter\nerror: {error}\n")
    assert run(raising(error), as_json=True) == code
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["type"] == type(error).__name__
    assert document["error"]["message"] == str(error)
    assert document["error"].get("kind") == getattr(error, "kind", None)


def test_faults_of_ours_still_give_a_document_and_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(ZeroDivisionError("oops")), as_json=True) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["error"] == {"type": "ZeroDivisionError", "message": "oops"}
    assert "Traceback" in captured.err


def test_an_interrupt_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(raising(KeyboardInterrupt()), as_json=False) == 130
    assert "run the same command again to go on" in capsys.readouterr().err


def test_sigterm_is_as_ctrl_c_while_a_verb_runs(capsys: pytest.CaptureFixture[str]) -> None:
    def ended() -> Outcome:
        os.kill(os.getpid(), signal.SIGTERM)
        return Outcome({}, ["not reached"])

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert run(ended, as_json=False) == 130
    captured = capsys.readouterr()
    assert "run the same command again to go on" in captured.err
    assert captured.out == ""
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_only_the_first_of_several_processes_minds_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[object] = []

    def looking() -> Outcome:
        found.append(signal.getsignal(signal.SIGTERM))
        return Outcome({}, [])

    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        run(looking, as_json=False)
    assert found == [signal.default_int_handler, signal.SIG_DFL]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (6.1e8, "610.0 MB"), (5e12, "5.0 TB")]
)
def test_sizes_are_readable(count: float, text: str) -> None:
    assert bytes_text(count) == text


def test_failures_are_always_shown_and_counts_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    failed = Progress(listed=2, name="x.mp4", outcome="failed", message="broken", failed=1)
    done = Progress(listed=2, name="y.mp4", outcome="done", done=1, failed=1, frames=7)
    with progress_line(quiet=True) as show:
        show(failed)
        show(done)
    with progress_line(every_s=0.0) as show:
        show(done)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "failed x.mp4: broken\n2/2 videos, 7 frames, 1 failed\n"
