"""What feature files say about themselves, read without their features: for thousands of finished videos on resume."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vidskim.pipeline.files import KIND_CODES, FeatureFile, output_paths

_HEADER_BYTES = 100_000_000  # safetensors allows no longer one
_ARRAYS = {"features": ("F32", 4), "times_s": ("F64", 8), "kinds": ("U8", 1)}


@dataclass(frozen=True)
class Summary:
    """What one feature file says about itself: no array is kept.

    Args:
        frames: t.
        dimensions: d.
        i_frames: how many of the frames are I-frames.
        start_s: time of the first frame in seconds, None if there is none.
        end_s: of the last one.
        metadata: text to text; see `extract`.
    """

    frames: int
    dimensions: int
    i_frames: int
    start_s: float | None
    end_s: float | None
    metadata: Mapping[str, str]

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        *,
        times_s: NDArray[np.float64],
        kinds: NDArray[np.uint8],
        metadata: Mapping[str, str],
    ) -> "Summary":
        """Of features of a shape, with their times and kinds.

        Raises:
            ValueError: lengths do not agree.
        """
        if len(shape) != 2 or times_s.shape != shape[:1] or kinds.shape != shape[:1]:
            received = f"{list(shape)}, {list(times_s.shape)}, {list(kinds.shape)}"
            raise ValueError(f"expected features [t, d], times_s [t] and kinds [t], received {received}")
        start_s, end_s = (float(times_s[0]), float(times_s[-1])) if len(times_s) else (None, None)
        return cls(shape[0], shape[1], int(np.count_nonzero(kinds)), start_s, end_s, metadata)


def summarise(record: FeatureFile) -> Summary:
    """What `read_summary` will say once the record is written."""
    return Summary.of(
        record.features.shape, times_s=record.times_s, kinds=record.kinds, metadata=record.metadata
    )


def read_summary(out: Path, name: str, format: str) -> Summary:
    """Read what one video's files say about themselves. That all features are there is known from the file size.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is cut short, or not a feature file.
        OSError: a file cannot be read now, which says nothing about what it holds.
    """
    paths = output_paths(out, name, format)
    try:
        return _read_safetensors(paths[0]) if format == "safetensors" else _read_npy(*paths)
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"{paths[-1]}: not a feature file: {error!r}") from error


def _read_npy(features: Path, times: Path, description: Path) -> Summary:
    written = json.loads(description.read_bytes())
    with features.open("rb") as file:
        shape = _npy_shape(file, "<f4")
    with times.open("rb") as file:
        count = _npy_shape(file, "<f8")
        times_s = np.frombuffer(file.read(), "<f8").reshape(count)
    kinds = np.array([KIND_CODES[kind] for kind in written["kinds"]], np.uint8)
    return Summary.of(shape, times_s=times_s, kinds=kinds, metadata=dict(written["metadata"]))


def _npy_shape(file: BinaryIO, dtype: str) -> tuple[int, ...]:
    """The shape in the header of a whole npy file; the file is left where the values start."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError(f"{file.name}: expected npy version 1.0, received another")
    shape, _, found = np.lib.format.read_array_header_1_0(file)
    expected, size = file.tell() + math.prod(shape) * found.itemsize, os.fstat(file.fileno()).st_size
    if found != np.dtype(dtype) or size != expected:
        raise ValueError(f"{file.name}: expected {expected} bytes of {dtype}, received {size} of {found}")
    return shape


def _read_safetensors(path: Path) -> Summary:
    """Source: https://github.com/huggingface/safetensors#format"""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, _HEADER_BYTES):
            raise ValueError(f"{path}: expected a header that fits in {size} bytes, received {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        for name, (dtype, item_bytes) in _ARRAYS.items():
            (start, end), shape = header[name]["data_offsets"], header[name]["shape"]
            if header[name]["dtype"] != dtype or start < 0 or end - start != math.prod(shape) * item_bytes:
                raise ValueError(f"{path}: expected {name} of {dtype}, received {header[name]}")
        expected = 8 + length + max(entry["data_offsets"][1] for entry in header.values())
        if size != expected:
            raise ValueError(f"{path}: expected {expected} bytes, received {size}")
        values = {}
        for name, dtype in {"times_s": "<f8", "kinds": "u1"}.items():
            start, end = header[name]["data_offsets"]
            file.seek(8 + length + start)
            values[name] = np.frombuffer(file.read(end - start), dtype)
    return Summary.of(tuple(header["features"]["shape"]), **values, metadata=dict(metadata))
