"""Adapters: what is trained beside a frozen CLIP, in a file of its own that says which CLIP it belongs to."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import CheckpointError, SettingsError
from vidskim.models.layouts.tempme import is_authors, read_authors
from vidskim.models.lora import LowRank
from vidskim.models.peft import CONFIG_FILE, WEIGHTS_FILE, read_peft, save_peft
from vidskim.models.weights import hash_weights, read_weights
from vidskim.tokens.clip_plan import ClipPlan

FORMAT = "vidskim-adapter-1"
ADAPTER_FILE = (
    "tempme_adapter.safetensors"  # beside a checkpoint folder's weights it is found under this name
)
_log = logging.getLogger("vidskim")
POSITIONS = "clip_positions"
TOWERS = ("vision", "text")
SIZES = ("image_size", "resize")  # of the model's config: may be other than in training


@dataclass(frozen=True)
class Adapter:
    """LoRA of both towers, clip positions, and how clips were joined and merged while they learnt.

    Args:
        vision: additions to the vision tower's fused projections, by block.
        text: the same of the text tower.
        positions: clip positions [clips that enter the block, d], by block.
        settings: of `load_model(method="tempme")` as it was trained, plain JSON values; empty where nobody says.
        words: most tokens of a sentence in its training, where longer ones are cut; None where nobody says.
    """

    vision: Mapping[int, LowRank] = field(repr=False)
    text: Mapping[int, LowRank] = field(repr=False)
    positions: Mapping[int, Tensor] = field(default_factory=dict, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    words: int | None = None

    @property
    def digest(self) -> str:
        """sha256 (hex) of all tensors."""
        return hash_weights(self.to_state())

    def to_state(self) -> dict[str, Tensor]:
        """All tensors by name, such as "vision.blocks.3.up" and "clip_positions.8"."""
        state = {f"{POSITIONS}.{layer}": table for layer, table in self.positions.items()}
        for tower in TOWERS:
            for block, pair in getattr(self, tower).items():
                state |= {f"{tower}.blocks.{block}.{name}": part for name, part in pair._asdict().items()}
        return state

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        *,
        settings: Mapping[str, Any] | None = None,
        words: int | None = None,
    ) -> "Adapter":
        """What `to_state` gave, with what else the adapter knows.

        Raises:
            CheckpointError: a tensor is missing or unknown.
        """
        parts: dict[str, dict[int, dict[str, Tensor]]] = {tower: {} for tower in TOWERS}
        positions, unknown = {}, []
        for name, value in state.items():
            match name.split("."):
                case [tower, "blocks", block, ("down" | "up") as part] if tower in TOWERS and block.isdigit():
                    parts[tower].setdefault(int(block), {})[part] = value
                case ["clip_positions", layer] if layer.isdigit():
                    positions[int(layer)] = value
                case _:
                    unknown.append(name)
        halves = [f"{t}.blocks.{n}" for t in TOWERS for n, pair in parts[t].items() if len(pair) != 2]
        if unknown or halves:
            raise CheckpointError(
                f"not an adapter of this version: unknown {', '.join(unknown[:10]) or 'nothing'}; without down or up "
                f"{', '.join(halves[:10]) or 'nothing'}"
            )
        vision, text = ({n: LowRank(**pair) for n, pair in sorted(parts[t].items())} for t in TOWERS)
        return cls(vision, text, dict(sorted(positions.items())), settings or {}, words)


def save_adapter(
    path: Path,
    adapter: Adapter,
    *,
    backbone: str,
    config: Mapping[str, object] | None = None,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write an adapter as float32 safetensors.

    Args:
        path: the file.
        adapter: on any device.
        backbone: hash of the model it was trained beside (`Checkpoint.backbone`).
        config: what that model is beside its weights (`Checkpoint.config`).
        notes: for the header: how it was trained.
    """
    state = {name: value.detach().float().cpu().contiguous() for name, value in adapter.to_state().items()}
    header = {**(notes or {}), "format": FORMAT, **_notes(adapter, backbone, config)}
    with writing(path) as file:
        file.write(safetensors.torch.save(state, metadata=header))


def save_as_peft(
    folder: Path,
    adapter: Adapter,
    *,
    backbone: str,
    config: Mapping[str, object] | None = None,
    base_model: str | None = None,
) -> None:
    """Write an adapter of a Hugging Face CLIP as PEFT reads it; clip positions, which it does not know, lie beside.

    Args:
        folder: made if need be; files of these names are overwritten.
        adapter: its LoRA is of one rank.
        backbone: hash of the model it was trained beside (`Checkpoint.backbone`).
        config: what that model is beside its weights (`Checkpoint.config`).
        base_model: name or path of that model, for PEFT.

    Raises:
        CheckpointError: several ranks, or nothing to save.
    """
    notes = _notes(adapter, backbone, config)
    save_peft(folder, adapter.vision, adapter.text, adapter.positions, base_model=base_model, notes=notes)


def read_adapter(
    path: Path, *, backbone: str | None = None, config: Mapping[str, object] | None = None
) -> Adapter:
    """An adapter from `save_adapter`'s file, a folder in PEFT's format or a checkpoint of TempMe's authors.

    Args:
        path: the file or folder.
        backbone: hash of the model that will use it; only what vidskim wrote says what it belongs to.
        config: what that model is beside its weights.

    Raises:
        CheckpointError: missing, damaged, of another format, or trained beside another model.
    """
    if (path / CONFIG_FILE).is_file():
        header = _header(path / WEIGHTS_FILE)
        _check_backbone(header.get("backbone"), backbone, path)
        _check_config(header, config, path)
        return Adapter(*read_peft(path), **_read_notes(header, path))
    header = _header(path)
    if header.get("format") == FORMAT:
        _check_backbone(header.get("backbone", "unknown"), backbone, path)
        _check_config(header, config, path)
        # where the model's own weights learnt and no clips are joined, settings are all there is: no tensors
        return Adapter.from_state(safetensors.torch.load_file(path), **_read_notes(header, path))
    state = read_weights(path)
    if not is_authors(state):
        raise CheckpointError(
            f"{path}: not an adapter; expected a file that vidskim trained, a folder with {CONFIG_FILE} (PEFT), or a "
            "checkpoint of TempMe's authors"
        )
    return Adapter(*read_authors(state)[1])


def find_adapter(folder: Path, *plans: object) -> Path | None:
    """The adapter that method="tempme" takes where none is named: the one in the model's folder.

    Its clip positions are of its frames and joins. With plans that have others it is left out, with a warning.

    Args:
        folder: of the model.
        *plans: it would be used with; None is its own.

    Raises:
        SettingsError: a plan is none.
        CheckpointError: the adapter is damaged.
    """
    file = folder / ADAPTER_FILE
    given = [ClipPlan.read(plan) for plan in plans if plan is not None]  # type: ignore[arg-type]
    if not file.is_file() or not given:
        return file if file.is_file() else None
    own = read_adapter(file).settings.get("plan")
    trained = None if own is None else ClipPlan.read(own)
    if trained is not None and all(plan.places == trained.places for plan in given):
        return file
    told = "a plan that it does not name"
    if trained is not None:
        told = f"{trained.frames} frames and joins {[list(join) for join in trained.joins]}"
    _log.warning("%s is left out: its clip positions are of %s", file, told)
    return None


def _notes(adapter: Adapter, backbone: str, config: Mapping[str, object] | None) -> dict[str, str]:
    known = {"settings": adapter.settings, "words": adapter.words, "config": config}
    return {"backbone": backbone} | {k: json.dumps(value) for k, value in known.items() if value is not None}


def _check_backbone(made_for: str | None, backbone: str | None, path: Path) -> None:
    """Where either is not known, nothing can be said."""
    if None not in (made_for, backbone) and made_for != backbone:
        raise CheckpointError(
            f"{path}: this adapter was trained beside another model ({str(made_for)[:12]}, expected "
            f"{str(backbone)[:12]}); load it with the checkpoint it was trained on"
        )


def _check_config(header: Mapping[str, str], config: Mapping[str, object] | None, path: Path) -> None:
    """Where either is not known, nothing can be said."""
    if config is None or "config" not in header:
        return
    try:
        trained: dict[str, object] = dict(json.loads(header["config"]))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its header names a config that is none ({error})") from error
    names = sorted((trained.keys() & config.keys()).difference(SIZES))
    if differing := [name for name in names if trained[name] != config[name]]:
        listed = "; ".join(f"{name} was {trained[name]!r}, is {config[name]!r}" for name in differing)
        raise CheckpointError(
            f"{path}: this adapter was trained beside the same weights as another model: {listed}. Load it with the "
            "config of its training (--config name=value)"
        )


def _header(path: Path) -> dict[str, str]:
    """A safetensors file's own notes; nothing of other files."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a safetensors file, or cut short ({error})") from error


def _read_notes(header: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Fields of `Adapter` beside its tensors."""
    try:
        settings: dict[str, Any] = dict(json.loads(header.get("settings", "{}")))
        if "plan" in settings:
            ClipPlan.read(settings["plan"])
        words = json.loads(header.get("words", "null"))
        if words is not None and not (isinstance(words, int) and words > 0):
            raise ValueError(f"words {words!r}")
    except (ValueError, TypeError, SettingsError) as error:
        raise CheckpointError(f"{path}: its header names settings that are none ({error})") from error
    return {"settings": settings, "words": words}
