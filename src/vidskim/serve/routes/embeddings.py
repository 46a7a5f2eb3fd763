"""POST /v1/embeddings, in OpenAI's shape."""

import asyncio
import base64
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter

from vidskim.serve.caps import QUERY_CHARS
from vidskim.serve.refusal import RefusedError, responses
from vidskim.serve.routes.search import picture_vector
from vidskim.serve.schemas import Embedding, EmbeddingsAnswer, EmbeddingsRequest, Usage
from vidskim.serve.services import Parts, Services
from vidskim.store.records import Vectors

router = APIRouter(tags=["search"])
PICTURES = 8  # in one request


@router.post("/v1/embeddings", responses=responses(404, 409, 503))
async def embeddings(asked: EmbeddingsRequest, parts: Parts) -> EmbeddingsAnswer:
    """Vectors that compare with the store's: of texts, pictures, or stored videos."""
    engine = parts.engine
    if asked.model not in (None, engine.model):
        raise RefusedError(
            "no_model", f"this server has the model {engine.model!r} only, received {asked.model!r}"
        )
    width = engine.store.about.dimensions
    if asked.dimensions not in (None, width):
        raise RefusedError("invalid_request", f"dimensions must be {width}, received {asked.dimensions}")
    inputs = [asked.input] if isinstance(asked.input, str) else asked.input
    vectors = await _encode(asked.modality, inputs, parts)
    tokens = engine.count_tokens(inputs) if asked.modality == "text" else 0
    return EmbeddingsAnswer(
        data=[
            Embedding(index=number, embedding=_written(vector, asked.encoding_format))
            for number, vector in enumerate(vectors)
        ],
        model=engine.model,
        usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
    )


async def _encode(modality: str, inputs: Sequence[str], parts: Services) -> list[Vectors]:
    if modality == "video":
        return [await parts.on_model(parts.engine.video_vector, video_id) for video_id in inputs]
    if modality == "image":
        if len(inputs) > PICTURES:
            raise RefusedError(
                "invalid_request", f"{PICTURES} pictures may be sent at once, received {len(inputs)}"
            )
        return [await picture_vector(text, parts) for text in inputs]
    for text in inputs:
        if len(text) > QUERY_CHARS:
            raise RefusedError(
                "invalid_request", f"a text may have {QUERY_CHARS} characters, received {len(text)}"
            )
    return list(await asyncio.gather(*map(parts.texts.ask, inputs)))


def _written(vector: Vectors, encoding_format: str) -> list[float] | str:
    if encoding_format == "base64":
        return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
    return [float(number) for number in vector]
