"""vidskim evaluate: one verb for each task."""

import typer

from vidskim.cli.recognition import evaluate_recognition

evaluate = typer.Typer(help="Measure models on labelled videos.", no_args_is_help=True)

evaluate.command("recognition")(evaluate_recognition)
