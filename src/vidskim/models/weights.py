"""Weight files into one flat dictionary of tensors. Pickled files are read with `weights_only=True`, never more."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vidskim.errors import CheckpointError

# The first that exists in a folder is read.
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
)
PICKLED = (".pt", ".pth", ".bin")
WRAPPERS = ("state_dict", "model", "module")
PREFIXES = ("module.", "model.")
SUBTREE = "state_dict/"


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a checkpoint file or folder, wrappers and their prefixes taken off.

    Args:
        path: a .safetensors, .pt, .pth or .bin file, or a folder with one of `FOLDER_FILES`.

    Raises:
        CheckpointError: nothing there, damaged, or a file that is more than tensors.
    """
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder")
    if path.is_dir():
        path = _file_in(path)
    return _strip(_read_shards(path) if path.suffix == ".json" else _read_file(path), path)


def hash_weights(state: Mapping[str, Tensor]) -> str:
    """sha256 (hex) over sorted names, types, shapes and bytes: changes when any value does."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _file_in(folder: Path) -> Path:
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder}: no weights; looked for {', '.join(FOLDER_FILES)}")


def _read_shards(index: Path) -> dict[str, Tensor]:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        names = sorted(set(places.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index}: not an index of shards with a 'weight_map' ({error})") from error
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise CheckpointError(f"{index}: shards must lie beside the index, received {outside[:3]}")
    absent = [name for name in names if not (index.parent / name).is_file()]
    if absent:
        raise CheckpointError(
            f"{index}: {len(absent)} of {len(names)} shards are absent: {', '.join(absent[:10])}"
        )
    state: dict[str, Tensor] = {}
    for name in names:
        state |= _read_file(index.parent / name)
    return state


def _read_file(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        try:
            tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
        except (safetensors.SafetensorError, OSError) as error:
            raise CheckpointError(f"{path}: not a safetensors file, or cut short ({error})") from error
        return tensors
    if path.suffix in PICKLED:
        return _read_pickled(path)
    raise CheckpointError(
        f"{path}: weights are read from .safetensors, {', '.join(PICKLED)} files or a folder"
    )


def _read_pickled(path: Path) -> dict[str, Tensor]:
    if _is_torchscript(path):
        raise CheckpointError(
            f"{path}: a TorchScript archive, as OpenAI published CLIP, which is a program and not weights. Use the "
            "model's Hugging Face folder, or convert once where you trust the file: "
            "torch.save(torch.jit.load(path).state_dict(), 'weights.pt')"
        )
    try:
        # mapped where it can be, as .safetensors are: what nobody looks at is not read
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        if type(error).__name__ == "UnpicklingError":
            raise CheckpointError(
                f"{path}: holds pickled objects other than tensors and would need full unpickling, which can run any "
                "code and is never done here. Save its state dict as .safetensors where you trust the file. "
                f"({str(error).splitlines()[0]})"
            ) from error
        raise CheckpointError(f"{path}: torch cannot read it ({error})") from error
    return _unwrap(loaded, path)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _unwrap(loaded: object, path: Path) -> dict[str, Tensor]:
    """The state dict inside a training checkpoint: {"epoch": 3, "state_dict": {...}} and the like."""
    while isinstance(loaded, Mapping):
        inner = next((loaded[name] for name in WRAPPERS if isinstance(loaded.get(name), Mapping)), None)
        if inner is None:
            break
        loaded = inner
    if not isinstance(loaded, Mapping) or not loaded:
        raise CheckpointError(f"{path}: expected a dictionary of tensors, received {type(loaded).__name__}")
    others = [str(name) for name, value in loaded.items() if not isinstance(value, Tensor)]
    if others:
        raise CheckpointError(f"{path}: these entries are not tensors: {', '.join(others[:10])}")
    return {str(name): value.detach() for name, value in loaded.items()}


def _strip(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    if any(name.startswith(SUBTREE) for name in state):
        state = {
            name.removeprefix(SUBTREE): value for name, value in state.items() if name.startswith(SUBTREE)
        }
    if not state:
        raise CheckpointError(f"{path}: holds no tensors")
    while prefix := next((p for p in PREFIXES if all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state
