"""A model that does not work on this machine is not served."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.features import Features
from vidskim.pipeline.load import load_encoder
from vidskim.serve.refusal import RefusedError
from vidskim.serve.selftest import SelfTest, SelfTestError, check_pictures, run_self_test
from vidskim.video.clip import Clip

Library = Any  # see conftest


class Broken:
    """Texts whose vectors went through a fault."""

    min_score = None

    def __init__(self, texts: Any, fault: Any) -> None:
        self.texts, self.fault = texts, fault

    def encode_text(self, texts: list[str]) -> Tensor:
        """Spoilt."""
        return self.fault(self.texts.encode_text(texts))


def spoil_by_batch(vectors: Tensor) -> Tensor:
    return vectors.roll(1, dims=1) if len(vectors) > 1 else vectors


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda vectors: vectors * torch.nan, "not finite"),
        (lambda vectors: vectors[:1].expand_as(vectors), "the same output for different inputs"),
        (lambda vectors: torch.zeros_like(vectors), "outputs of length 0 to 0, expected 1"),
        (lambda vectors: 2 * vectors, "outputs of length 2 to 2"),
        (spoil_by_batch, "depend on what else is in the batch"),
    ],
)
def test_broken_outputs(library: Library, fault: Any, said: str) -> None:
    engine = library.engine(texts=Broken(library.texts, fault))
    with pytest.raises(SelfTestError, match=said):
        run_self_test(engine, reference=library.data / "reference.safetensors")
    assert not (library.data / "reference.safetensors").exists()


def test_later_starts_compare_with_the_first(fresh: Library) -> None:
    reference = fresh.data / "reference.safetensors"
    assert run_self_test(fresh.engine(), reference=reference) == SelfTest(4, 3, False)
    assert run_self_test(fresh.engine(), reference=reference) == SelfTest(4, 3, True)
    other = fresh.engine(texts=Broken(fresh.texts, lambda vectors: vectors.roll(1, dims=1)))
    with pytest.raises(SelfTestError, match="gives other vectors than when it first ran here"):
        run_self_test(other, reference=reference)
    save_file({"sentences": load_file(reference)["sentences"][:2]}, reference)
    with pytest.raises(SelfTestError, match="other vectors"):
        run_self_test(fresh.engine(), reference=reference)


def test_a_store_made_by_a_broken_encoder(fresh: Library) -> None:
    for video in fresh.videos.values():
        fresh.store.remove([video.id])
    for name, path in (("a", "a/red"), ("b", "b/green")):
        fresh.add(fresh.folder / f"clips/{path}.mp4", axis=0, name=name)
    with pytest.raises(SelfTestError, match="begin with the same vector"):
        run_self_test(fresh.engine(), reference=fresh.data / "reference.safetensors")


def test_without_a_text_tower(library: Library) -> None:
    tested = run_self_test(library.engine(texts=None), reference=library.data / "reference.safetensors")
    assert tested == SelfTest(0, 3, False)


class BrokenEncoder:
    """Pictures whose vectors went through a fault."""

    def __init__(self, fault: Any) -> None:
        self.fault = fault

    def encode(self, clip: Clip) -> Any:
        features = features_of(clip)
        return replace(features, vectors=self.fault(features.vectors))


def features_of(clip: Clip) -> Features:
    channel = int(clip.frames.mean(axis=(0, 1, 2)).argmax())
    kinds = np.array(["I"])
    return Features(torch.eye(4)[[channel]], clip.times_s, kinds, 0, Fingerprint("stub", "", {}, "full"))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (lambda vectors: vectors * torch.nan, "image tower gives outputs that are not finite"),
        (lambda vectors: torch.eye(4)[:1], "image tower gives the same output for different inputs"),
        (lambda vectors: 3 * vectors, "image tower gives outputs of length 3 to 3"),
    ],
)
def test_broken_pictures(library: Library, fault: Any, said: str) -> None:
    check_pictures(BrokenEncoder(lambda vectors: vectors))  # type: ignore[arg-type]

    def load() -> Any:
        check_pictures(encoder := BrokenEncoder(fault))  # type: ignore[arg-type]
        return encoder

    with pytest.raises(SelfTestError, match=said):
        load()
    with pytest.raises(RefusedError, match=said):
        library.engine(load_encoder=load).encode_picture(np.zeros((8, 8, 3), np.uint8))


def test_the_bundled_image_tower_passes() -> None:
    check_pictures(load_encoder("demo"))
