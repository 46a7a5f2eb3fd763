"""What a training of a classifier accepts, and what it does unless told otherwise."""

from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.models.variants import VIDEOMAE_SIZES
from vidskim.models.video_vit import VideoTransformer
from vidskim.train.curriculum import (
    FINE_TUNING,
    FROM_NOTHING,
    RENDERED,
    Recognition,
    build_config,
    find_recipe,
)


def test_the_smallest_classifier_has_tokens_enough_to_be_pruned() -> None:
    config = build_config("tiny", classes=13)
    gt, gy, gx = config.grid(config.frames, 64, 64)
    assert gt * gy * gx == 512
    parameters = sum(value.numel() for value in VideoTransformer(config).parameters())
    assert 1.2e6 < parameters < 1.3e6


@pytest.mark.parametrize("name", VIDEOMAE_SIZES)
def test_videomaes_sizes_are_built_for_a_hugging_face_folder(name: str) -> None:
    config = build_config(name, classes=7)
    assert (config.width, config.layers, config.heads) == VIDEOMAE_SIZES[name]
    assert (config.classes, config.head_eps, config.image) == (7, 1e-5, 224)


def test_each_kind_of_training_has_its_recipe() -> None:
    assert find_recipe(videos=False, model=False) == (RENDERED, {"keep": 0.125, "smoothing": 0.0})
    assert find_recipe(videos=True, model=True)[0] is FINE_TUNING
    assert find_recipe(videos=True, model=False)[0] is FROM_NOTHING
    assert FINE_TUNING.layer_decay < FROM_NOTHING.layer_decay == 1.0


def test_clips_are_not_mirrored_unless_asked() -> None:
    assert Recognition().mirror is False


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "X"}, "unknown variant 'X'; allowed: B, H, L, S, tiny"),
        ({"batch": 0}, "batch must be 1 or more, received 0"),
        ({"keep": 0.0}, "keep must be above 0 and at most 1, received 0"),
        ({"least_crop": 1.5}, "least_crop must be above 0 and at most 1, received 1.5"),
        ({"thinned": 1.0}, "thinned must be from 0 to below 1, received 1"),
        ({"smoothing": -0.1}, "smoothing must be from 0 to below 1, received -0.1"),
        ({"sampling": "parts"}, "unknown sampling 'parts'; allowed: dense, segments"),
        ({"videos": Path("v"), "epochs": 0.0}, "epochs must be above 0, received 0"),
        ({"classes": Path("names.txt")}, "classes: only with videos; rendered actions have their own"),
        ({"epochs": 2.0}, "epochs: only with videos"),
        (
            {"held_out": Path("v.csv"), "mirror": True, "sampling": "dense"},
            "held_out, sampling, mirror: only with",
        ),
        (
            {"model": "folder", "variant": "tiny"},
            "variant is the size of a model from nothing, and folder has one",
        ),
        ({"config": {"heads": 6}}, r"give a model, or leave out \['heads'\]"),
    ],
)
def test_what_does_not_fit_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Recognition(**options)
