"""What would spoil searches is refused by name, and never repaired."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from tests.store.conftest import D, unit

from vidskim.errors import StoreError
from vidskim.store.admission import admit, check_query
from vidskim.store.records import Frames


def given(**changes: Any) -> Frames:
    arguments: dict[str, Any] = {
        "vectors": unit(4, seed=0),
        "start_s": [0.0, 1.0, 1.0, 2.0],
        "end_s": [1.0, 2.0, 2.0, 3.0],
        "kinds": ["I", "P", "P", "I"],
        "dimensions": D,
        "name": "a.mp4",
    }
    return admit(**{**arguments, **changes})


def spoiled(row: int, value: object) -> np.ndarray:
    vectors = unit(4, seed=0)
    vectors[row] = value
    return vectors


def test_good_vectors_pass_unchanged() -> None:
    frames = given()
    assert np.array_equal(frames.vectors, unit(4, seed=0))
    assert frames.kinds.tolist() == ["I", "P", "P", "I"]


def test_tensors_pass_even_from_a_graph() -> None:
    vectors = torch.from_numpy(unit(4, seed=0)).requires_grad_()
    assert np.array_equal(given(vectors=vectors).vectors, unit(4, seed=0))


def test_equal_frames_pass_because_pictures_can_stand_still() -> None:
    assert len(given(vectors=np.repeat(unit(1, seed=1), 4, axis=0))) == 4


def test_negative_times_pass_because_decoders_give_them() -> None:
    assert given(start_s=[-0.04, 1, 1, 2]).start_s[0] == -0.04


one_hot = np.eye(D, dtype=np.float32)[0]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (spoiled(2, np.nan), "vector of frame 2 (at 1.00 s) holds NaN or infinity; so it is in 1 of 4 frames"),
        (spoiled(3, np.inf), "vector of frame 3 (at 2.00 s) holds NaN or infinity"),
        (spoiled(0, 0), "vector of frame 0 (at 0.00 s) is all zeros"),
        (spoiled(1, D**-0.5), "vector of frame 1 (at 1.00 s) holds the same number in every component"),
        (spoiled(1, -(D**-0.5)), "holds the same number in every component"),
        (spoiled(1, one_hot * 1.01), "has length 1.01, expected 1 within 0.001"),
        (unit(4, seed=0) / 2, "frame 0 (at 0.00 s) has length 0.5, expected 1 within 0.001; so it is in 4 of 4"),
        (np.zeros((4, D)), "expected vectors float32 [t, 8] with t of 1 or more, received float64 [4, 8]"),
        (unit(4, seed=0, dimensions=7), "received float32 [4, 7]"),
        (unit(4, seed=0)[0], "received float32 [8]"),
        (unit(0, seed=0), "received float32 [0, 8]"),
    ],
)  # fmt: skip
def test_bad_vectors_are_refused(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(StoreError, match=re.escape(message)) as caught:
        given(vectors=vectors)
    assert str(caught.value).startswith("a.mp4: ")


def test_the_length_may_be_off_by_a_rounding() -> None:
    assert len(given(vectors=unit(4, seed=0) * np.float32(1.0009))) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_s": [0.0, 1.0, 2.0]}, "expected start_s and end_s of shape [4], received [3] and [4]"),
        ({"end_s": [1.0, 2.0, np.nan, 3.0]}, "start_s and end_s must be finite seconds"),
        ({"start_s": [0.0, 1.0, 0.5, 2.0]}, "start_s must not fall, received 1 then 0.5 at frame 2"),
        ({"end_s": [1.0, 1.0, 2.0, 3.0]}, "end_s must be after start_s, received 1 to 1 at frame 1"),
        ({"kinds": ["I", "P"]}, 'expected kinds of shape [4], each "I" or "P", received [2]'),
        ({"kinds": ["I", "B", "P", "I"]}, "received [4] with ['B']"),
    ],
)
def test_bad_times_and_kinds_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=re.escape(message)):
        given(**changes)


def test_a_query_may_be_any_float_tensor_of_unit_length() -> None:
    query = torch.nn.functional.normalize(torch.randn(D, generator=torch.Generator().manual_seed(0)), dim=0)
    assert check_query(query.double(), dimensions=D).dtype == np.float32
    assert check_query(query.bfloat16() / query.bfloat16().float().norm(), dimensions=D).shape == (D,)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.zeros(D, np.float32), "expected a query of length 1, received length 0"),
        (np.full(D, np.nan, np.float32), "expected a query of length 1, received length nan"),
        (unit(1, seed=0)[0] * 3, "expected a query of length 1, received length 3"),
        (unit(1, seed=0), "expected a query of shape [8], received [1, 8]"),
        (unit(1, seed=0, dimensions=7)[0], "expected a query of shape [8], received [7]"),
    ],
)
def test_bad_queries_are_refused(query: np.ndarray, message: str) -> None:
    with pytest.raises(StoreError, match=re.escape(message)):
        check_query(query, dimensions=D)
