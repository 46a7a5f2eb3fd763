"""The extractor of a store, loaded again."""

from pathlib import Path

import pytest
import torch

from vidskim.errors import CheckpointError, FingerprintError, SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.hub import lasting_name
from vidskim.pipeline.load import load_model
from vidskim.pipeline.origin import load_encoder_of, load_text_of
from vidskim.store.dataset import Store

REUSE = {"method": "reuse", "config": {}, "scaler": "decoder"}


def make_store(folder: Path, encoder: VideoEncoder, origin: dict[str, object]) -> Store:
    return Store.create(folder, fingerprint=encoder.fingerprint, dimensions=encoder.dim, origin=origin)


@pytest.mark.parametrize("settings", [{"interleave": 3, "keep": 0.5}, {"budget": 0.3}, {}])
def test_both_towers_come_back_as_they_were(
    clip_folder: Path, tmp_path: Path, settings: dict[str, object]
) -> None:
    encoder = load_model(clip_folder, **REUSE, **settings)
    store = make_store(tmp_path / "store", encoder, {"source": str(clip_folder), **REUSE, **settings})
    again = load_encoder_of(Store.open(store.uri))
    assert again.fingerprint == encoder.fingerprint
    vector = load_text_of(store).encode_text(["a dog"])
    torch.testing.assert_close(vector, encoder.encode_text(["a dog"]))


def test_a_model_that_was_moved_is_named(clip_folder: Path, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", load_model(clip_folder), {"source": str(clip_folder)})
    moved = clip_folder.rename(tmp_path / "elsewhere")
    for load in (load_text_of, load_encoder_of):
        with pytest.raises(
            CheckpointError, match=r"(?s)no such file.*lies elsewhere now, say where with --model"
        ):
            load(store)
    assert load_text_of(store, source=str(moved)).encode_text(["a dog"]).shape == (1, 16)
    assert load_encoder_of(store, source=str(moved)).dim == 16
    with pytest.raises(CheckpointError, match=r"no such file or folder: \./nowhere$"):
        load_text_of(store, source="./nowhere")


def test_a_store_that_does_not_say_asks_for_the_model(clip_folder: Path, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", load_model(clip_folder), {})
    with pytest.raises(
        SettingsError, match="does not say which model made its vectors; name it with --model"
    ):
        load_text_of(store)
    assert load_text_of(store, source=str(clip_folder)).dim == 16


def test_another_model_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", load_model(clip_folder), {"source": str(clip_folder)})
    with pytest.raises(FingerprintError, match=r"demo is not the model that made the vectors in .*store"):
        load_text_of(store, source="demo")
    with pytest.raises(FingerprintError, match=r"(?s)weights: .* -> .*--model demo --reindex"):
        load_encoder_of(store, source="demo")


def test_another_budget_is_another_extractor(clip_folder: Path, tmp_path: Path) -> None:
    encoder = load_model(clip_folder, method="reuse", budget=0.3)
    origin = {"source": str(clip_folder), "method": "reuse", "budget": 0.4}
    with pytest.raises(FingerprintError, match=r"settings\.budget: 0\.3 -> 0\.4"):
        load_encoder_of(make_store(tmp_path / "store", encoder, origin))


def test_a_name_lasts_wherever_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    assert lasting_name("model") == str(tmp_path / "model")
    assert [lasting_name(name) for name in ("demo", "owner/model")] == ["demo", "owner/model"]
