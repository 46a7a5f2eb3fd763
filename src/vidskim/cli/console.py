"""What every verb shares: one document on stdout, the rest on stderr, exit codes, a progress line."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidskim.errors import SettingsError, VideoError, VidskimError

if TYPE_CHECKING:
    from vidskim.pipeline.progress import Progress
    from vidskim.pipeline.stages import StageTimes

DONE, FAILED, USAGE, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 130
WIDE = 1000  # columns

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]


@dataclass(frozen=True)
class Outcome:
    """What a verb has to say.

    Args:
        document: for machines, plain JSON values.
        lines: for people; text or rich tables.
        code: exit code.
    """

    document: dict[str, Any]
    lines: Sequence[Any]
    code: int = DONE


def is_first_rank() -> bool:
    """Whether this process is the one that speaks, where torchrun started several."""
    return os.environ.get("RANK", "0") == "0"


def run_verb(body: Callable[[], Outcome], *, as_json: bool) -> None:
    """Run a verb's body, print its outcome or its error, and leave with the right exit code.

    While the body runs, what anything prints goes to stderr, so that stdout holds the outcome alone, and SIGTERM, by
    which schedulers and `timeout` end a process, is as Ctrl-C.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), _sigterm_as_interrupt():
            outcome = body()
    except VidskimError as error:
        outcome = _failure(error, as_json=as_json)
    except typer.Abort:
        raise
    except Exception as error:  # a fault of ours: machines still get their document, people the place
        traceback.print_exc()
        outcome = _failure(error, as_json=as_json)
    except KeyboardInterrupt:
        note("interrupted; run the same command again to go on")
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_document(outcome.document)
    else:
        _print_lines(outcome.lines)
    raise typer.Exit(outcome.code)


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt, unless signals do not come to this thread or somebody else handles it.

    Of several processes of torchrun, which ends the others by it when one fails, only the first has anything to save.
    """
    ours = threading.current_thread() is threading.main_thread() and is_first_rank()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _failure(error: Exception, *, as_json: bool) -> Outcome:
    record = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, VideoError):
        record["kind"] = error.kind
    if not as_json:
        note(f"error: {error}")
    return Outcome({"error": record}, [], USAGE if isinstance(error, SettingsError) else FAILED)


def print_document(document: dict[str, Any]) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


def write_document(path: Path, document: dict[str, Any]) -> None:
    """The same as a file."""
    from vidskim.disk import writing

    with writing(path) as file:
        file.write((json.dumps(document, indent=2) + "\n").encode())


def note(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _print_lines(lines: Sequence[Any]) -> None:
    if not lines:
        return
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE  # in a pipe no path is broken
    console = Console(highlight=False, width=width)
    for line in lines:
        console.print(line, soft_wrap=isinstance(line, str), markup=False)


def bytes_text(count: float) -> str:
    """1234567 -> "1.2 MB"."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def time_text(seconds: float) -> str:
    """3723.46 -> "1:02:03.5"."""
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    sign = "-" if seconds < 0 and tenths else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"


def speed_lines(frames: int, times: "StageTimes") -> list[str]:
    """How fast a run was, and which stage limited it."""
    if not frames:
        return [f"nothing to encode, {times.wall_s:.2f} s"]
    names = ("decode", "prepare", "encode", "write")
    stages = ", ".join(f"{name} {times.seconds(name):.2f} s" for name in names)
    rate = frames / times.wall_s if times.wall_s else 0.0
    return [
        f"{frames} frames in {times.wall_s:.2f} s, {rate:.1f} frames/s: {stages}",
        f"limiting stage: {times.limiting}",
    ]


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone.

    Raises:
        SettingsError: nobody is there to answer, and `yes` is false.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SettingsError(f"{question} This needs a yes: add --yes")
    typer.confirm(question, abort=True, err=True)


def counting_line(*, every_s: float, at_once: bool = False) -> Callable[[str, bool], None]:
    """A line of progress on stderr: in place on a terminal, a line now and then elsewhere.

    Args:
        every_s: seconds between lines elsewhere.
        at_once: whether the first text is shown; otherwise none is before that time has passed.

    Returns:
        Called with a text, and whether it is the last, which is always shown.
    """
    live = sys.stderr.isatty()
    last = float("-inf") if at_once else time.monotonic()

    def show(text: str, ended: bool) -> None:
        nonlocal last
        now = time.monotonic()
        if not ended and now - last < (0.1 if live else every_s):
            return
        last = now
        sys.stderr.write((f"\r\033[K{text}" if live else text) + ("\n" if ended or not live else ""))
        sys.stderr.flush()

    return show


@contextlib.contextmanager
def progress_line(*, quiet: bool = False, every_s: float = 5.0) -> Iterator[Callable[["Progress"], None]]:
    """A callback for `extract` and `index`: failures always, counts now and then (on a terminal, in place)."""
    live, line = sys.stderr.isatty(), counting_line(every_s=every_s)

    def show(progress: "Progress") -> None:
        if progress.outcome == "failed":
            note(("\r\033[K" if live else "") + f"failed {progress.name}: {progress.message}")
        if quiet:
            return
        settled = progress.done + progress.failed + progress.skipped
        line(f"{settled}/{progress.listed} videos, {progress.frames} frames, {progress.failed} failed", False)

    yield show
    if live and not quiet:
        sys.stderr.write("\r\033[K")
