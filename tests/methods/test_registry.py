"""Settings by name: unknown ones are errors that name the nearest."""

import pytest
import torch

from vidskim.errors import SettingsError
from vidskim.methods.registry import METHODS, build_method, make_method, method_settings, setting_fields
from vidskim.methods.residual import ResidualTokenizer

PARTS = {"std": torch.ones(3), "tokenizer": ResidualTokenizer(dim=4, width=8)}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_builds_with_defaults_and_names_its_settings(name: str) -> None:
    method = build_method(name, {}, PARTS)
    assert method.name == name
    settings = method_settings(method)
    given = {key: settings[key] for key in setting_fields(name) if settings.get(key) is not None}
    assert method_settings(build_method(name, given, PARTS)) == settings


def test_two_residual_tokenizers_are_told_apart() -> None:
    settings = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        parts = PARTS | {"tokenizer": ResidualTokenizer(dim=4, width=8)}
        settings.append(method_settings(build_method("residual", {}, parts)))
    assert settings[0]["tokenizer"] != settings[1]["tokenizer"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("reuze", {}, "Did you mean 'reuse'"),
        ("reuse", {"interleeve": 2}, "Did you mean 'interleave'"),
        (
            "full",
            {"keep": 0.1},
            "method='full' has no setting 'keep'; it belongs to method='residual' or 'reuse'",
        ),
        ("reuse", {"keep": "0.1"}, "keep is float or int; received '0.1'"),
        ("reuse", {"keep": True}, "received True"),
        ("reuse", {"interleave": 2.5}, "interleave is int; received 2.5"),
        ("reuse", {"keep": 0.1, "threshold": 0.1}, "not both"),
        ("reuse", {"keep": 0.0}, "above 0"),
        ("reuse", {"select": "nothing"}, "unknown select"),
        ("copy", {"interleave": 0}, 'Use method="full"'),
    ],
)
def test_bad_settings(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build_method(name, settings, PARTS)


def test_a_wrong_name_is_told_before_a_missing_tokenizer() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'keep'"):
        make_method("residual", {"kep": 0.1}, std=(1.0, 1.0, 1.0), tokenizer=None, model="a ViT")
