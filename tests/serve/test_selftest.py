"""A model that does not work on this machine is not served."""

from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vidskim.serve.selftest import SelfTest, SelfTestError, run_self_test

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
