"""Oracles: tiny transformers models with random weights, saved into a folder as anyone would."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

Save = Callable[..., Path]


@pytest.fixture(autouse=True)
def quiet() -> None:
    transformers.logging.disable_progress_bar()


@pytest.fixture
def save(tmp_path: Path, generator: torch.Generator) -> Save:
    """Random values in every parameter (norms and biases too, or mistakes would hide), then save_pretrained."""

    def randomise_and_save(model: Any, **options: Any) -> Path:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                centre = 1.0 if ("norm" in name and name.endswith("weight")) or "lambda" in name else 0.0
                parameter.copy_(centre + 0.2 * noise)
        model.eval()
        folder = tmp_path / "model"
        model.save_pretrained(folder, **options)
        return folder

    return randomise_and_save


@pytest.fixture
def clip() -> Callable[..., transformers.CLIPModel]:
    """A CLIP whose two towers differ in everything."""

    def make(
        *, activation: str = "quick_gelu", eps: float = 1e-5, end_id: int = 49
    ) -> transformers.CLIPModel:
        vision = {
            "hidden_size": 48,
            "intermediate_size": 80,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
            "hidden_act": activation,
            "layer_norm_eps": eps,
        }
        text = {
            "hidden_size": 40,
            "intermediate_size": 72,
            "num_hidden_layers": 2,
            "num_attention_heads": 5,
            "vocab_size": 50,
            "max_position_embeddings": 12,
            "bos_token_id": 48,
            "eos_token_id": end_id,
            "hidden_act": activation,
            "layer_norm_eps": eps,
        }
        return transformers.CLIPModel(
            transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
        )

    return make


@pytest.fixture
def ids(generator: torch.Generator) -> torch.Tensor:
    """Five texts of several lengths [5, 12]: start 48, words, end 49, padding with the end token."""
    rows = torch.full((5, 12), 49)
    for row, length in enumerate((0, 3, 7, 10, 1)):
        rows[row, 0] = 48
        rows[row, 1 : 1 + length] = torch.randint(3, 48, (length,), generator=generator)
    return rows
