"""What the verbs under `evaluate` share: the conditions of a record, and the videos that did not count."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidskim.pipeline.classifier import VideoClassifier
    from vidskim.pipeline.encoder import VideoEncoder
    from vidskim.pipeline.retrieval import RetrievalEncoder

NAMED = 10  # missing videos that people are told by name


def model_record(
    task: str, model: "VideoClassifier | VideoEncoder | RetrievalEncoder", source: str
) -> dict[str, Any]:
    """What was evaluated: the task, the model, and with what it was run.

    Args:
        task: its name.
        model: as it was evaluated, behind any method.
        source: what it was loaded as.
    """
    from importlib.metadata import version

    import torch

    made = model.fingerprint
    return {
        "task": task,
        "source": source,
        "model": made.model,
        "weights": made.weights,
        "preparation": made.preparation,
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("vidskim", "torch", "av", "numpy")},
    }


def lost_lines(missing: Sequence[str], failed: Mapping[str, str]) -> list[str]:
    """For people: which videos are not there, and which could not be read."""
    lines = [f"{len(missing)} are not there and do not count:"] if missing else []
    lines += [f"  {name}" for name in missing[:NAMED]]
    if len(missing) > NAMED:
        lines.append(f"  and {len(missing) - NAMED} more; --json names all")
    return lines + [f"failed {message}" for message in failed.values()]
