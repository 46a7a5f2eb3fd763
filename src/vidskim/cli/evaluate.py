"""vidskim evaluate: one verb for each task."""

import typer

from vidskim.cli.recognition import evaluate_recognition
from vidskim.cli.retrieval import evaluate_retrieval

evaluate = typer.Typer(
    help="Measure models on labelled videos, or on videos with sentences.", no_args_is_help=True
)

evaluate.command("recognition")(evaluate_recognition)
evaluate.command("retrieval")(evaluate_retrieval)
