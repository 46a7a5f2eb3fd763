"""vidskim ground, from a file and from a store."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vidskim.cli.main import main
from vidskim.pipeline.load import load_model
from vidskim.store.dataset import Store
from vidskim.tasks.ground import ground, similarity
from vidskim.video.read import read_video

Verb = Any  # see conftest
QUERY = "a green square"


def expected(video: Path, *, method: str = "reuse", fps: float = 3.0, **cut: Any) -> Any:
    model = load_model("demo", method=method)
    features = model.encode(read_video(video, fps=fps))
    return ground(similarity(features.vectors, model.encode_text([QUERY])[0]), features.times_s, **cut)


def check(document: dict[str, Any], grounding: Any) -> None:
    """The document's moments are those of a grounding; scores within what two batchings differ by."""
    assert len(document["moments"]) == len(grounding.moments)
    for row, moment in zip(document["moments"], grounding.moments, strict=True):
        assert (row["start_s"], row["end_s"]) == (moment.start_s, moment.end_s)
        assert row["score"] == pytest.approx(moment.score, abs=2e-3)
    assert document["threshold"] == pytest.approx(grounding.threshold, abs=2e-3)
    assert document["frames"] == len(grounding.signal)


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {}),
        (("--window", "1", "--factor", "0.9"), {"window_s": 1.0, "factor": 0.9}),
        (("--faithful", "--method", "full"), {"faithful": True, "method": "full"}),
        (("--fps", "2", "--window", "0"), {"fps": 2.0, "window_s": None}),
    ],
)
def test_a_file_is_encoded_and_grounded(
    rendered: Path, verb: Verb, options: tuple[str, ...], settings: dict[str, Any]
) -> None:
    video = rendered / "v2.mp4"
    code, document, err = verb("ground", video, QUERY, *options)
    assert (code, err) == (0, "")
    assert (document["video"], document["query"], document["vectors_from"]) == (str(video), QUERY, "file")
    assert (document["plot"], "signal" in document) == (None, False)
    check(document, expected(video, **settings))


def test_the_curve_comes_on_request(rendered: Path, verb: Verb) -> None:
    document = verb("ground", rendered / "v2.mp4", QUERY, "--signal")[1]
    grounding = expected(rendered / "v2.mp4")
    assert document["signal"]["times_s"] == grounding.times_s.tolist()
    np.testing.assert_allclose(document["signal"]["similarity"], grounding.signal, atol=5e-3)
    np.testing.assert_allclose(document["signal"]["smoothed"], grounding.smoothed, atol=5e-3)


def test_a_stored_video_is_read_from_the_store_by_path_and_by_id(
    library: Path, rendered: Path, verb: Verb
) -> None:
    video = rendered / "v1.mp4"
    identifier = next(each.id for each in Store.open("vidskim-store").videos() if each.path == str(video))
    by_path = verb("ground", video, QUERY, "--store", "vidskim-store")[1]
    by_id = verb("ground", identifier, QUERY, "--store", "vidskim-store")[1]
    assert by_path["vectors_from"] == by_id["vectors_from"] == "store"
    assert by_path["moments"] == by_id["moments"]
    check(by_path, expected(video))


def test_a_video_that_is_not_in_the_store_or_changed_is_encoded_as_for_it(
    library: Path, rendered: Path, verb: Verb
) -> None:
    copy = library / "copy.mp4"
    shutil.copy(rendered / "v1.mp4", copy)
    code, document, err = verb("ground", copy, QUERY, "--store", "vidskim-store")
    assert (code, document["vectors_from"]) == (0, "file")
    assert "copy.mp4 is not in vidskim-store as it is now; it is encoded" in err
    check(document, expected(copy))
    assert verb("index", copy)[1]["done"] == 1
    os.utime(copy, ns=(1, 1))
    assert verb("ground", copy, QUERY, "--store", "vidskim-store")[1]["vectors_from"] == "file"


def test_a_video_that_is_not_in_the_store_is_sampled_as_those_in_it(
    library: Path, rendered: Path, verb: Verb
) -> None:
    assert verb("index", rendered, "--store", "slow", "--fps", "1.5", "--method", "full")[0] == 0
    copy = library / "copy.mp4"
    shutil.copy(rendered / "v2.mp4", copy)
    document = verb("ground", copy, QUERY, "--store", "slow")[1]
    check(document, expected(copy, method="full", fps=1.5))
    document = verb("ground", copy, QUERY, "--store", "slow", "--fps", "2")[1]
    check(document, expected(copy, method="full", fps=2.0))


def test_a_plot_is_drawn(rendered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["ground", str(rendered / "v0.mp4"), QUERY, "--plot", str(tmp_path / "curve.png")])
    out = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert out.splitlines()[0].split() == ["rank", "score", "start", "end"]
    assert f"the curve is in {tmp_path}/curve.png" in out
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone.mp4"], 1, "gone.mp4"),
        (["gone.mp4", "--store", "vidskim-store"], 1, "no video with the path or id 'gone.mp4'"),
        (
            ["x", "--store", "vidskim-store", "--method", "full"],
            2,
            "the extractor is the store's; leave out --method",
        ),
        (["x", "--store", "vidskim-store", "--keep", "0.5"], 2, "leave out settings of a method"),
        (
            ["{video}", "--store", "vidskim-store", "--fps", "3"],
            2,
            "is in vidskim-store already, at 3 frames/s; leave out --fps, or --store",
        ),
        (["{video}", "--factor", "-1"], 2, "factor must be"),
        (["{video}", "--window", "-1"], 2, "--window"),
        (["{video}", "--fps", "-1"], 2, "fps must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(
    library: Path, rendered: Path, verb: Verb, arguments: list[str], code: int, message: str
) -> None:
    video, *options = (argument.format(video=rendered / "v0.mp4") for argument in arguments)
    found, document, _ = verb("ground", video, QUERY, *options)
    assert found == code
    assert message in document["error"]["message"]


def test_an_empty_sentence_is_refused(rendered: Path, verb: Verb) -> None:
    code, document, _ = verb("ground", rendered / "v0.mp4", " ")
    assert code == 2
    assert "the sentence to look for is empty" in document["error"]["message"]
