"""POST /v1/embeddings, as OpenAI's clients call it."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

Library = Any  # see conftest


def test_texts(client: TestClient) -> None:
    answer = client.post("/v1/embeddings", json={"input": ["red", "blue"], "model": "stub"}).json()
    assert (answer["object"], answer["model"], answer["usage"]) == (
        "list",
        "stub",
        {"prompt_tokens": 7, "total_tokens": 7},
    )
    assert [each["index"] for each in answer["data"]] == [0, 1]
    assert answer["data"][0]["embedding"] == [1, 0, 0, 0, 0, 0, 0, 0]
    one = client.post("/v1/embeddings", json={"input": "blue", "encoding_format": "base64"}).json()
    assert np.frombuffer(base64.b64decode(one["data"][0]["embedding"]), "<f4").tolist() == [
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
    ]


def test_many_texts_are_encoded_together(client: TestClient, library: Library) -> None:
    library.texts.calls.clear()
    assert client.post("/v1/embeddings", json={"input": [f"text {n}" for n in range(20)]}).status_code == 200
    assert sum(map(len, library.texts.calls)) == 20
    assert max(map(len, library.texts.calls)) > 1


def test_pictures_and_videos(client: TestClient, library: Library) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (0, 0, 255)).save(buffer, "PNG")
    picture = base64.b64encode(buffer.getvalue()).decode()
    answer = client.post("/v1/embeddings", json={"input": picture, "modality": "image"}).json()
    assert np.argmax(answer["data"][0]["embedding"]) == 2
    video = library.videos["green"].id
    answer = client.post("/v1/embeddings", json={"input": [video], "modality": "video"}).json()
    vector = np.array(answer["data"][0]["embedding"])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert vector @ library.store.frames(video).vectors.mean(axis=0) > 0


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"input": "red", "model": "gpt"}, 404, "no_model"),
        ({"input": "red", "dimensions": 9}, 422, "invalid_request"),
        ({"input": []}, 422, "invalid_request"),
        ({"input": ["x"] * 65}, 422, "invalid_request"),
        ({"input": "x" * 1001}, 422, "invalid_request"),
        ({"input": [[1, 2]]}, 422, "invalid_request"),
        ({"input": "nobody", "modality": "video"}, 404, "no_video"),
        ({"input": ["a"] * 9, "modality": "image"}, 422, "invalid_request"),
        ({"input": "@", "modality": "image"}, 422, "unreadable_image"),
    ],
)
def test_what_cannot_be_asked(client: TestClient, asked: dict[str, Any], status: int, code: str) -> None:
    answer = client.post("/v1/embeddings", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
