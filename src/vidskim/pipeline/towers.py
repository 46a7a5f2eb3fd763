"""Checkpoints to towers on a device, and what P-frames need beside them."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch

from vidskim.errors import CheckpointError
from vidskim.methods.residual import TOKENIZER_FILE, ResidualTokenizer, Student, read_tokenizer
from vidskim.models.checkpoint import Checkpoint, build_text, build_vision, read_checkpoint
from vidskim.models.linear import pack_linears
from vidskim.models.text import TextTransformer
from vidskim.models.variants import fold_quick_gelu
from vidskim.models.vit import VisionTransformer
from vidskim.pipeline.hub import resolve


def vision_tower(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> VisionTransformer:
    """The vision tower as it computes fastest."""
    config, state = fold_quick_gelu(checkpoint.vision, checkpoint.vision_state)
    tower = build_vision(checkpoint, config=config, state=state).to(device, dtype)
    pack_linears(tower)
    return tower


def text_tower(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> TextTransformer | None:
    """The text tower, if there is one."""
    if checkpoint.text is None or checkpoint.text_state is None:
        return None
    config, state = fold_quick_gelu(checkpoint.text, checkpoint.text_state)
    return build_text(checkpoint, config=config, state=state).to(device, dtype)


def load_between(
    teacher: Checkpoint,
    path: Path,
    *,
    student: str | PathLike[str] | None,
    config: Mapping[str, object] | None,
    tokenizer: str | PathLike[str] | None,
    place: tuple[torch.device, torch.dtype],
) -> tuple[Student | None, ResidualTokenizer | None]:
    """What "residual" encodes P-frames with.

    Args:
        teacher: the I-frames' checkpoint.
        path: where it was read.
        student: another checkpoint for P-frames, named as `load_model`'s source.
        config: what the student's files do not say.
        tokenizer: file of a residual tokenizer. Default: the one in the P-frames' checkpoint, or in its folder.
        place: device and type of the student.

    Returns:
        The student, if it is another one, and the residual tokenizer, if there is one.

    Raises:
        CheckpointError: a part is damaged, or does not fit the others.
    """
    if student is None:
        beside = None if teacher.adapter else _companion(path)  # distilled for the weights without it
        return None, _residual_tokenizer(teacher, place[0], tokenizer or beside)
    home = resolve(student)
    own = _read_student(home, config, teacher)
    pupil = Student(vision_tower(own, *place), model=own.description, weights=own.weights_hash)
    return pupil, _residual_tokenizer(own, place[0], tokenizer or _companion(home))


def _read_student(path: Path, config: Mapping[str, object] | None, teacher: Checkpoint) -> Checkpoint:
    """A checkpoint whose features can stand beside the teacher's.

    Raises:
        CheckpointError: they cannot.
    """
    student = read_checkpoint(path, config=config)
    if student.vision.dim != teacher.vision.dim:
        raise CheckpointError(
            f"{path}: the student's features have width {student.vision.dim}, the teacher's {teacher.vision.dim}; "
            "both must be of one embedding space"
        )
    for name in ("mean", "std"):
        theirs, ours = getattr(student.preparation, name), getattr(teacher.preparation, name)
        if theirs != ours:
            raise CheckpointError(
                f"{path}: the student's pixels are normalised with {name} {theirs}, the teacher's with {ours}; "
                f"they are prepared once, so both must be equal (student_config={{{name!r}: ...}} overrides)"
            )
    return student


def _companion(path: Path) -> Path | None:
    """The distilled tokenizer in a checkpoint's folder."""
    file = path / TOKENIZER_FILE
    return file if file.is_file() else None


def _residual_tokenizer(
    checkpoint: Checkpoint, device: torch.device, file: str | PathLike[str] | None
) -> ResidualTokenizer | None:
    """From a file if one is given, else as the checkpoint has it."""
    state = checkpoint.residual_state
    if file is not None:
        state = read_tokenizer(Path(file), backbone=checkpoint.weights_hash)
    if state is None:
        return None
    depth = sum(name.endswith(".weight") for name in state)
    tokenizer = ResidualTokenizer(dim=checkpoint.vision.dim, width=checkpoint.vision.width, depth=depth)
    wanted = tokenizer.state_dict()
    wrong = [name for name in wanted.keys() | state.keys() if name not in wanted or name not in state]
    wrong += [name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape]
    if wrong:
        raise CheckpointError(
            f"the residual tokenizer does not fit {checkpoint.description} (feature width {checkpoint.vision.dim}, "
            f"token width {checkpoint.vision.width}): {', '.join(sorted(wrong))}"
        )
    tokenizer.load_state_dict(state)
    return tokenizer.eval().requires_grad_(False).to(device)
