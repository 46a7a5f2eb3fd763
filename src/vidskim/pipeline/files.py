"""Feature files: written whole or not at all, read back with everything that made them.

safetensors: NAME.safetensors holds features float32 [t, d], times_s float64 [t], kinds uint8 [t] (0 = P, 1 = I);
its header holds the metadata, text to text.
npy: NAME.npy (features), NAME.times.npy, and NAME.json (metadata, and kinds as a text of I and P), written last:
without NAME.json the other two do not count.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vidskim.disk import writing
from vidskim.errors import unknown_name

FORMATS = ("npy", "safetensors")
KIND_CODES = {"P": 0, "I": 1}
_DTYPES = {"float32": "F32", "float64": "F64", "uint8": "U8"}


@dataclass(frozen=True)
class FeatureFile:
    """What one feature file holds.

    Args:
        features: float32 [t, d].
        times_s: float64 [t], decoder timestamps in seconds.
        kinds: uint8 [t], 0 = P, 1 = I.
        metadata: text to text; see `extract`.
    """

    features: NDArray[np.float32]
    times_s: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expected = {"features": (2, np.float32), "times_s": (1, np.float64), "kinds": (1, np.uint8)}
        for name, (dimensions, dtype) in expected.items():
            array = getattr(self, name)
            if array.ndim != dimensions or array.dtype != dtype:
                wanted = f"{dimensions} dimensions of {np.dtype(dtype).name}"
                raise ValueError(f"{name}: expected {wanted}, received {array.shape} of {array.dtype.name}")
        lengths = {name: len(getattr(self, name)) for name in expected}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"arrays of one file differ in length: {lengths}")


def output_paths(out: Path, name: str, format: str) -> list[Path]:
    """The files one video becomes; the last one is the one whose presence counts."""
    if format == "safetensors":
        return [out / f"{name}.safetensors"]
    if format == "npy":
        return [out / f"{name}.npy", out / f"{name}.times.npy", out / f"{name}.json"]
    raise unknown_name("format", format, FORMATS)


def all_output_paths(out: Path, name: str) -> list[Path]:
    """Every file one video may have become, in any format."""
    return [path for format in FORMATS for path in output_paths(out, name, format)]


def write_features(record: FeatureFile, *, out: Path, name: str, format: str) -> None:
    """Write one video's features below `out`."""
    paths = output_paths(out, name, format)
    if format == "safetensors":
        with writing(paths[0]) as file:
            _dump_safetensors(file, record)
        return
    features, times, description = paths
    description.unlink(missing_ok=True)
    with writing(features) as file:
        np.save(file, record.features)
    with writing(times) as file:
        np.save(file, record.times_s)
    kinds = "".join("PI"[code] for code in record.kinds)
    with writing(description) as file:
        text = json.dumps({"metadata": dict(record.metadata), "kinds": kinds}, sort_keys=True)
        file.write(text.encode() + b"\n")


def read_features(out: Path, name: str, format: str) -> FeatureFile:
    """Read one video's features back.

    Raises:
        OSError, ValueError: a file is missing, cut short, or not a feature file.
    """
    paths = output_paths(out, name, format)
    if format == "safetensors":
        return _load_safetensors(paths[0])
    try:
        description = json.loads(paths[2].read_text(encoding="utf-8"))
        return FeatureFile(
            features=np.load(paths[0], mmap_mode="r", allow_pickle=False),
            times_s=np.load(paths[1], allow_pickle=False),
            kinds=np.array([KIND_CODES[kind] for kind in description["kinds"]], np.uint8),
            metadata=description["metadata"],
        )
    except (EOFError, KeyError, TypeError) as error:
        raise ValueError(f"{paths[2]}: not a feature file: {error}") from error


def _dump_safetensors(file: BinaryIO, record: FeatureFile) -> None:
    """The library writes metadata in random order; written here, equal content is equal bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "features": record.features,
        "kinds": record.kinds,
        "times_s": record.times_s,
    }
    header: dict[str, object] = {"__metadata__": dict(sorted(record.metadata.items()))}
    start = 0
    ordered = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)  # wide first keeps all aligned
    for name in ordered:
        array = arrays[name]
        end = start + array.nbytes
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": (start, end),
        }
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for name in ordered:
        file.write(np.ascontiguousarray(arrays[name]).tobytes())


def _load_safetensors(path: Path) -> FeatureFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return FeatureFile(
                features=file.get_tensor("features"),
                times_s=file.get_tensor("times_s"),
                kinds=file.get_tensor("kinds"),
                metadata=file.metadata() or {},
            )
    except SafetensorError as error:
        raise ValueError(f"{path}: {error}") from error
