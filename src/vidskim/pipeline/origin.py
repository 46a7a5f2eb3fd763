"""The extractor that made a store, loaded again: whole, or its text tower alone."""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

from vidskim.errors import CheckpointError, FingerprintError, SettingsError
from vidskim.pipeline.encoder import VideoEncoder
from vidskim.pipeline.load import load_encoder, load_model, load_text_encoder
from vidskim.pipeline.segments import Segmenter
from vidskim.pipeline.text import TextEncoder
from vidskim.store.levels import no_levels
from vidskim.store.reader import Reader
from vidskim.store.records import About

_Loaded = TypeVar("_Loaded")
USUAL_FPS = 3.0  # of a store that is empty
_TEXT_SETTINGS = ("config", "tokenizer", "image_size")


def load_text_of(store: Reader, *, source: str | None = None, device: str = "auto") -> TextEncoder:
    """The text tower whose vectors compare with a store's.

    Args:
        store: of any extractor with a text tower.
        source: where the model is now; default where it was when the store was made.
        device: where to compute.

    Raises:
        SettingsError: the store does not say which model made it, and no source is given.
        CheckpointError: the model is not there.
        FingerprintError: it is another model.
    """
    settings = {name: store.about.origin[name] for name in _TEXT_SETTINGS if name in store.about.origin}
    texts = _load(store, source, lambda place: load_text_encoder(place, device=device, **settings))
    fingerprint = store.about.fingerprint
    if (texts.model, texts.weights) != (fingerprint.model, fingerprint.weights):
        raise _other_model(store, source, f"{fingerprint.model} -> {texts.model}, or other weights")
    return texts


def load_encoder_of(
    store: Reader, *, source: str | None = None, device: str = "auto", dtype: str = "auto"
) -> VideoEncoder:
    """The encoder whose vectors compare with a store's; arguments and errors as in `load_text_of`."""
    settings = {name: value for name, value in store.about.origin.items() if name != "source"}
    encoder = _load(store, source, lambda place: load_encoder(place, device=device, dtype=dtype, **settings))
    if encoder.fingerprint.digest != store.about.fingerprint.digest:
        differences = store.about.fingerprint.differences(encoder.fingerprint)
        raise _other_model(store, source, "; ".join(differences))
    return encoder


def load_level_texts_of(
    store: Reader, *, source: str | None = None, retrieval: str | None = None, device: str = "auto"
) -> TextEncoder:
    """The text tower whose vectors compare with a store's vectors of segments and whole videos.

    Args:
        store: that keeps such vectors.
        source: where the store's model is now, if that is the retrieval model too; default where it was.
        retrieval: where the retrieval model is now.
        device: where to compute.

    Raises:
        StoreError: the store keeps no such vectors.
        CheckpointError: the model or its adapter is not there.
        FingerprintError: it is another model or adapter.
    """
    if store.levels is None:
        raise no_levels(store.uri)
    about = store.levels.about
    kept = {name: about.origin[name] for name in ("config", "adapter", "plan") if name in about.origin}
    place = retrieval or _retrieval_place(store, about, source)
    texts = load_text_encoder(place, method="tempme", device=device, **kept)
    if (texts.model, texts.weights) != (about.fingerprint.model, about.fingerprint.weights):
        raise _other_retrieval(store, place)
    return texts


def load_segmenter_of(
    store: Reader,
    encoder: VideoEncoder,
    *,
    source: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> Segmenter | None:
    """What makes a store's vectors of segments and whole videos; None if it keeps none.

    Args:
        store: of the encoder.
        encoder: whose frames it is given.
        source: as in `load_level_texts_of`.
        device: where to compute.
        dtype: in what.

    Raises:
        CheckpointError: the model or its adapter is not there.
        FingerprintError: it is another model or adapter.
    """
    if store.levels is None:
        return None
    about = store.levels.about
    settings = {name: value for name, value in about.origin.items() if name not in ("source", "segment_s")}
    place, segment_s = _retrieval_place(store, about, source), about.origin["segment_s"]
    model = load_model(place, device=device, dtype=dtype, **settings)
    segmenter = Segmenter(model, preparation=encoder.preparation, segment_s=segment_s, origin=about.origin)
    if segmenter.fingerprint.digest != about.fingerprint.digest:
        raise _other_retrieval(store, place)
    return segmenter


def usual_fps(store: Reader) -> float | None:
    """The rate of most videos in a store, for those to come; None is every frame."""
    rates = Counter(video.fps for video in store.videos())
    return rates.most_common(1)[0][0] if rates else USUAL_FPS


def _load(store: Reader, source: str | None, load: Callable[[Any], _Loaded]) -> _Loaded:
    place = source or store.about.origin.get("source")
    if place is None:
        raise SettingsError(
            f"{store.uri} does not say which model made its vectors; name it with --model, or pass source="
        )
    try:
        return load(place)
    except CheckpointError as error:
        if source is not None:
            raise
        raise CheckpointError(
            f"{error}\n{store.uri} was made with the model {place}; if that lies elsewhere now, say where with --model"
        ) from error


def _retrieval_place(store: Reader, about: About, source: str | None) -> str:
    place = about.origin.get("source")
    if place is None:
        raise SettingsError(f"{store.uri} does not say which model made its vectors of segments")
    return source if source is not None and place == store.about.origin.get("source") else str(place)


def _other_retrieval(store: Reader, place: str) -> FingerprintError:
    return FingerprintError(
        f"{place}, with its adapter, is not the retrieval model that made the vectors of segments in {store.uri}; put "
        f"that one back, or encode the videos again: vidskim index VIDEOS --store {store.uri} --retrieval {place} "
        "--reindex",
        remedy="overwrite",
    )


def _other_model(store: Reader, source: str | None, difference: str) -> FingerprintError:
    place = source or store.about.origin.get("source")
    return FingerprintError(
        f"{place} is not the model that made the vectors in {store.uri} ({difference}); name that one with --model, "
        f"or encode the videos again: vidskim index VIDEOS --store {store.uri} --model {place} --reindex",
        remedy="overwrite",
    )
