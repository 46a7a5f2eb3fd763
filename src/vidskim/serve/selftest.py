"""Does the model really work on this machine? Asked before anything is served.

A broken driver or runtime gives the same vector for everything, or no numbers, and a search then answers nonsense
without an error. So a few sentences must give different vectors of unit length, alone and together the same; and once
a machine has passed, its vectors are kept and compared with at every later start. The image tower is loaded when the
first picture is asked with, and tested then.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from vidskim.disk import writing
from vidskim.errors import StoreError, VidskimError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.serve.engine import Engine
from vidskim.serve.texts import Texts
from vidskim.store.reader import Reader
from vidskim.video.clip import Clip, Health

SENTENCES = (
    "a red circle moves to the left",
    "a dog runs over a meadow",
    "two people talk at a table",
    "night",
)
LEAST_DIFFERENCE = 1e-4  # one minus the cosine of different sentences
BATCH_TOLERANCE = 0.01  # bfloat16 rounds differently in batches of another size
REFERENCE_COSINE = 0.99
STORED = 64  # vectors of the store that are looked at


class SelfTestError(VidskimError):
    """The model gives vectors that cannot be searched with."""


@dataclass(frozen=True)
class SelfTest:
    """What was tested: sentences, stored vectors, and whether reference vectors of an earlier start were there."""

    sentences: int
    stored: int
    compared: bool


def run_self_test(engine: Engine, *, reference: Path) -> SelfTest:
    """Test the text tower and the store's vectors.

    Args:
        engine: before it serves.
        reference: file with the vectors of an earlier start; written if it is not there.

    Raises:
        SelfTestError: an output is not finite, constant, or not what it was.
    """
    stored = check_stored(engine.store)
    if engine.texts is None:
        return SelfTest(0, stored, False)
    return SelfTest(len(SENTENCES), stored, check_texts(engine.texts, reference=reference))


def check_texts(texts: Texts, *, reference: Path) -> bool:
    """Test a text tower; whether vectors of an earlier start were there to compare with.

    Args:
        texts: before it answers.
        reference: as in `run_self_test`.

    Raises:
        SelfTestError: an output is not finite, constant, or not what it was.
    """
    vectors = texts.encode_text(SENTENCES)
    check_vectors(vectors, torch.cat([texts.encode_text([text]) for text in SENTENCES]))
    return _compare(vectors, reference)


def check_pictures(encoder: VideoEncoder) -> None:
    """Test the image tower: a red, a green and a blue picture, each by itself.

    Raises:
        SelfTestError: an output is not finite, or constant.
    """
    pictures = np.zeros((3, 1, 64, 64, 3), np.uint8)
    for channel, picture in enumerate(pictures):
        picture[..., channel] = np.linspace(80, 255, 64)  # brighter to the right
    clips = [Clip(picture, np.zeros(1), None, Health("picture")) for picture in pictures]
    _check_apart(torch.cat([encoder.encode(clip).vectors for clip in clips]), "image")


def check_vectors(together: Tensor, alone: Tensor) -> None:
    """Vectors of different sentences, encoded in one batch and one by one, each float [n, d].

    Raises:
        SelfTestError: they cannot be right.
    """
    for vectors in (together, alone):
        _check_apart(vectors, "text")
    apart = (together - alone).norm(dim=1).max().item()
    if apart > BATCH_TOLERANCE * together.shape[1] ** 0.5:
        raise _broken("text", f"outputs that depend on what else is in the batch (by {apart:.3g})")


def _check_apart(vectors: Tensor, tower: str) -> None:
    """Vectors of different inputs, float [n, d]: finite, of unit length, no two the same."""
    if not torch.isfinite(vectors).all():
        raise _broken(tower, "outputs that are not finite")
    lengths = vectors.norm(dim=1)
    if ((lengths - 1).abs() > 1e-3).any():
        raise _broken(tower, f"outputs of length {lengths.min():.4g} to {lengths.max():.4g}, expected 1")
    likeness = vectors @ vectors.T - 2 * torch.eye(len(vectors))
    if likeness.max() > 1 - LEAST_DIFFERENCE:
        raise _broken(tower, "the same output for different inputs")


def check_stored(store: Reader) -> int:
    """Some vectors of the store: not all of them may be the same. How many were looked at.

    Raises:
        SelfTestError: they are.
    """
    rows = []
    for video in store.videos()[:STORED]:
        try:
            rows.append(torch.from_numpy(store.frames(video.id).vectors[:1].copy()))
        except StoreError:  # removed meanwhile
            continue
    if len(rows) < 2:
        return len(rows)
    vectors = torch.cat(rows)
    if not torch.isfinite(vectors).all() or (vectors @ vectors[0]).min() > 1 - 1e-6:
        raise SelfTestError(
            f"all {len(rows)} videos of {store.uri} that were looked at begin with the same vector: the encoder that "
            "made them was broken; `vidskim doctor` tests it, then index again with --reindex"
        )
    return len(rows)


def _compare(vectors: Tensor, reference: Path) -> bool:
    """With those of an earlier start; kept if there are none."""
    if not reference.exists():
        with writing(reference) as file:
            file.write(save({"sentences": vectors.contiguous()}))
        return False
    earlier = load(reference.read_bytes())["sentences"]
    cosine = (vectors * earlier).sum(dim=1).min().item() if earlier.shape == vectors.shape else -1.0
    if not cosine >= REFERENCE_COSINE:
        raise SelfTestError(
            f"the model gives other vectors than when it first ran here (cosine {cosine:.3f}, expected "
            f"{REFERENCE_COSINE}): something about this machine changed; `vidskim doctor` tests it. If that is meant, "
            f"delete {reference}"
        )
    return True


def _broken(tower: str, what: str) -> SelfTestError:
    return SelfTestError(
        f"the model's {tower} tower gives {what}: searches would answer nonsense. `vidskim doctor` tests this machine; "
        "--device cpu may help"
    )
