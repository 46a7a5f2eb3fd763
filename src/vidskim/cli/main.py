"""The command line: one verb, one file. Nothing heavy is imported before a verb runs."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from vidskim.cli.calibrate import calibrate
from vidskim.cli.classify import classify
from vidskim.cli.console import FAILED, note, print_document
from vidskim.cli.demo import demo
from vidskim.cli.doctor import doctor
from vidskim.cli.evaluate import evaluate
from vidskim.cli.explain import explain
from vidskim.cli.extract import extract
from vidskim.cli.ground import ground
from vidskim.cli.index import index
from vidskim.cli.prepare import prepare
from vidskim.cli.search import search
from vidskim.cli.serve import serve
from vidskim.cli.store import store
from vidskim.cli.synth import synth
from vidskim.cli.train import train
from vidskim.cli.watch import watch

USAGE_ERRORS: type[Exception] = typer.BadParameter.__mro__[
    1
]  # what typer's parser raises, whichever it is built on

app = typer.Typer(
    name="vidskim",
    help="Video in, features out, compute spent where the video changes.",
    epilog="Exit codes: 0 all good, 1 failed, 2 wrong usage, 3 finished but some videos failed, "
    "130 interrupted (Ctrl-C, SIGTERM; serve: 0).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
VERBS = (
    doctor,
    prepare,
    demo,
    synth,
    extract,
    index,
    search,
    ground,
    classify,
    explain,
    calibrate,
    serve,
    watch,
)
for verb in VERBS:
    app.command(verb.__name__)(verb)
app.add_typer(store, name="store")
app.add_typer(train, name="train")
app.add_typer(evaluate, name="evaluate")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"vidskim {version('vidskim')}")
        raise typer.Exit


@app.callback()
def _verbs(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Video in, features out, compute spent where the video changes."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given, prog_name="vidskim", standalone_mode=False, obj=given)
    except USAGE_ERRORS as error:
        code = _refuse(error, as_json="--json" in given)
    except typer.Abort:
        note("aborted")
        code = FAILED
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: Exception, *, as_json: bool) -> int:
    """A command line that cannot be read: on stderr, or as an error document."""
    if as_json:
        message = error.format_message()  # type: ignore[attr-defined]
        print_document({"error": {"type": "UsageError", "message": message}})
    else:
        error.show()  # type: ignore[attr-defined]
    return int(error.exit_code)  # type: ignore[attr-defined]
