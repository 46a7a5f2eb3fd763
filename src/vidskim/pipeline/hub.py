"""Where a model's files are: a local path, the bundled demo, or the Hugging Face cache; and how they get there.

Only `download` uses the network, and only `vidskim prepare` calls it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from vidskim.errors import CheckpointError

_ASSETS = Path(__file__).resolve().parents[1] / "assets"
# Models that come with the package: of frames and texts, and of actions.
DEMO, DEMO_ACTION = _ASSETS / "demo", _ASSETS / "demo-action"
BUNDLED = {folder.name: folder for folder in (DEMO, DEMO_ACTION)}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FILE_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".json")
# Beside the weights: configuration, preparation, tokenizer.
_COMPANIONS = (
    "config.json",
    "open_clip_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_SHARD = re.compile(r"-\d+-of-\d+\.(safetensors|bin)$")


@dataclass(frozen=True)
class RemoteModel:
    """The files of a Hub repository that loading needs, with their sizes in bytes (0 if the Hub gives none)."""

    repo_id: str
    files: Mapping[str, int]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(self.files.values())


def resolve(source: str | PathLike[str]) -> Path:
    """The file or folder behind a model's name; the network is never used.

    Args:
        source: "demo" or "demo-action", a path, or a Hub id that `vidskim prepare` has fetched.

    Raises:
        CheckpointError: there is nothing under that name; the message says how to get it.
    """
    name = fspath(source)
    if name in BUNDLED:  # a folder of that name is ./demo
        return BUNDLED[name]
    if Path(name).expanduser().exists():
        return Path(name).expanduser()
    if not is_hub_id(name):
        raise CheckpointError(f"no such file or folder: {name}")
    folder = _cached(name)
    if folder is None:
        raise CheckpointError(
            f"{name!r} is neither a local path nor in the local Hub cache; run `vidskim prepare {name}` once, "
            "or pass the path of a folder with config.json and model.safetensors"
        )
    return folder


def lasting_name(source: str | PathLike[str]) -> str:
    """A model's name that means the same from any folder: a bundled one, a Hub id, or an absolute path."""
    name = fspath(source)
    path = Path(name).expanduser()
    return str(path.absolute()) if path.exists() else name


def is_hub_id(name: str) -> bool:
    """Whether a name could be a Hub repository, "owner/model" or "model"."""
    return bool(_HUB_ID.fullmatch(name)) and not name.endswith(_FILE_SUFFIXES)


def is_from_hub(name: str) -> bool:
    """Whether `resolve` looks for a name in the Hub cache, not under a local path or in the package."""
    return name not in BUNDLED and not Path(name).expanduser().exists() and is_hub_id(name)


def _cached(repo_id: str) -> Path | None:
    """The folder in the cache, if it holds weights, all of them."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repo_id, local_files_only=True, allow_patterns=["*config.json"]))
    except (OSError, ValueError):  # not there, or not a valid id
        return None
    return folder if _has_weights(folder) else None


def _has_weights(folder: Path) -> bool:
    """Whether weights are there in one file, or with an index and every shard that it names."""
    files = [path for pattern in _WEIGHTS for path in folder.glob(pattern) if path.is_file()]
    if any(not _SHARD.search(path.name) for path in files):
        return True
    return any(_has_shards(index) for index in folder.glob("*.index.json"))


def _has_shards(index: Path) -> bool:
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    return bool(names) and all((index.parent / str(name)).is_file() for name in names)


def look_up(repo_id: str) -> RemoteModel:
    """Ask the Hub which files loading would need, and how large they are.

    Raises:
        CheckpointError: no network, no such repository, no access, or no weights in it.
    """
    from huggingface_hub import HfApi

    try:
        siblings = HfApi().model_info(repo_id, files_metadata=True, timeout=20.0).siblings or []
    except Exception as error:
        raise _unreachable(repo_id, error) from error
    sizes = {entry.rfilename: int(entry.size or 0) for entry in siblings}
    return RemoteModel(repo_id, {name: sizes[name] for name in needed_files(sizes, repo_id=repo_id)})


def needed_files(names: Iterable[str], *, repo_id: str = "") -> list[str]:
    """Of a repository's files, those that loading needs: one set of weights and its companions, nothing pickled
    where there is safetensors.

    Raises:
        CheckpointError: there are no weights.
    """
    top = sorted(name for name in names if "/" not in name)
    safetensors = [name for name in top if name.endswith((".safetensors", ".safetensors.index.json"))]
    usual = [
        name
        for name in safetensors
        if re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?", name)
    ]
    pickled = [
        name for name in top if re.fullmatch(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?", name)
    ]
    weights = usual or safetensors or pickled
    if not weights:
        raise CheckpointError(
            f"{repo_id} holds no weights (*.safetensors or pytorch_model.bin) at its top level"
        )
    return sorted({*weights, *(name for name in top if name in _COMPANIONS)})


def download(model: RemoteModel) -> Path:
    """Fetch the files into the Hub cache; what is there already, and of the right size, is not fetched again.

    Raises:
        CheckpointError: no network, or no access.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(model.repo_id, allow_patterns=list(model.files)))
        sizes = {name: (folder / name).stat().st_size for name in model.files if (folder / name).is_file()}
        wrong = [name for name, size in sizes.items() if model.files[name] not in (0, size)]
        if wrong:
            snapshot_download(model.repo_id, allow_patterns=wrong, force_download=True)
        return folder
    except Exception as error:
        raise _unreachable(model.repo_id, error) from error


def _unreachable(repo_id: str, error: Exception) -> CheckpointError:
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    if isinstance(error, HFValidationError):
        return CheckpointError(f"{repo_id!r} is not a Hub id; it has the form owner/model")
    if isinstance(error, GatedRepoError):
        return CheckpointError(
            f"{repo_id} wants its terms accepted: open https://huggingface.co/{repo_id} once, then `hf auth login`"
        )
    if isinstance(error, RepositoryNotFoundError):
        return CheckpointError(f"there is no public model {repo_id!r} on the Hub; check the spelling")
    return CheckpointError(
        f"cannot reach the Hub for {repo_id}: {type(error).__name__}: {error}\n"
        "On a machine with network run\n"
        f"  hf download {repo_id} --include '*.json' '*.safetensors' '*.txt' --local-dir model\n"
        "copy the folder `model` here, and pass its path in place of the id."
    )
