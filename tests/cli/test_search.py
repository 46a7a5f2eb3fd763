"""vidskim search on a small indexed library."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vidskim.cli.main import main
from vidskim.pipeline.load import load_model
from vidskim.store.dataset import Store
from vidskim.tasks.search import search
from vidskim.video.read import read_video

Verb = Any  # see conftest
QUERY = "a red circle moves to the left"


def test_the_document_holds_what_the_library_answers(library: Path, verb: Verb) -> None:
    code, document, err = verb("search", QUERY, "--min-score", "-1", "--limit", "4", "--window", "1.5")
    store = Store.open(library / "vidskim-store")
    vector = load_model("demo").encode_text([QUERY])[0]
    result = search(store, vector, limit=4, window_s=1.5)
    assert (code, err) == (0, "")
    assert (document["query"], document["store"], document["how"]) == (QUERY, store.uri, "exact")
    assert (document["good"], document["min_score"]) == (True, -1)
    assert document["best_score"] == pytest.approx(result.best_score, abs=1e-5)
    assert [row["rank"] for row in document["found"]] == list(range(1, len(result.found) + 1))
    for row, found in zip(document["found"], result.found, strict=True):
        assert (row["video"], row["path"], row["name"]) == (found.video, found.path, found.name)
        assert (row["start_s"], row["end_s"], row["best_s"]) == (found.start_s, found.end_s, found.best_s)
        assert (row["score"], row["best_score"]) == pytest.approx((found.score, found.best_score), abs=1e-5)
        assert "thumbnail" not in row


def test_people_get_a_table_with_true_times(
    library: Path, rendered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["search", QUERY, "--per-video", "1", "--min-score", "-1"])
    lines = capsys.readouterr().out.splitlines()
    assert exit_info.value.code == 0
    assert lines[0].split() == ["rank", "score", "start", "end", "video"]
    assert len(lines) == 4
    rank, score, start, end, path = lines[1].split()
    assert (rank, Path(path).parent) == ("1", rendered)
    assert -1 <= float(score) <= 1
    assert start.startswith("0:00:0")
    assert end > start


def test_filters_reach_the_search(library: Path, rendered: Path, verb: Verb) -> None:
    options = ("--min-score", "-1")
    _, document, _ = verb("search", QUERY, *options, "--folder", rendered / "v1.mp4")
    assert {row["name"] for row in document["found"]} == {"v1.mp4"}
    _, document, _ = verb("search", QUERY, *options, "--between", "1", "2.5", "--per-video", "1")
    assert len(document["found"]) == 3
    assert all(row["start_s"] < 2.5 and row["end_s"] > 1 for row in document["found"])
    _, document, _ = verb("search", QUERY, *options, "--folder", "/nowhere")
    assert (document["found"], document["good"], document["best_score"]) == ([], False, None)


def test_no_good_match_is_said(library: Path, verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = verb("search", QUERY, "--min-score", "0.99")
    assert (code, document["good"], document["found"], document["min_score"]) == (0, False, [], 0.99)
    assert document["best_score"] < 0.99
    for options, message in (
        (
            ["--min-score", "0.99"],
            f"no good match: the best moment scores {document['best_score']:.3f}, below 0.99",
        ),
        (["--folder", "/nowhere"], "nothing to search: the store is empty, or no frame passes the filters"),
    ):
        with pytest.raises(SystemExit):
            main(["search", QUERY, *options])
        assert message in capsys.readouterr().out


def test_the_models_own_least_score_counts_unless_another_is_given(
    library: Path, verb: Verb, clip_model: Path
) -> None:
    assert verb("search", QUERY)[1]["min_score"] == load_model("demo").min_score
    assert verb("search", QUERY, "--model", clip_model)[1]["min_score"] is None


def test_thumbnails_are_jpegs_of_the_best_frames(
    library: Path, rendered: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--per-video", "1", "--min-score", "-1", "--thumbnails", "pictures")
    _, document, _ = verb("search", QUERY, *options)
    assert len(document["found"]) == 3
    for row in document["found"]:
        frame = read_video(row["path"], times_s=[row["best_s"]]).frames[0]
        with Image.open(row["thumbnail"]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (128, 96))
            difference = np.abs(np.asarray(picture).astype(float) - frame)
        assert difference.mean() < 6
    with pytest.raises(SystemExit):
        main(["search", QUERY, *options])
    assert f"pictures/01-{Path(document['found'][0]['name']).stem}-" in capsys.readouterr().out


def test_a_picture_that_cannot_be_made_is_told_and_stops_nothing(
    library: Path, verb: Verb, tmp_path: Path
) -> None:
    store = Store.open("vidskim-store")
    store.move(store.videos()[0].id, tmp_path / "gone.mp4")
    options = ("--per-video", "1", "--min-score", "-1", "--thumbnails", "pictures")
    code, document, err = verb("search", QUERY, *options)
    assert code == 0
    assert [row["thumbnail"] is None for row in document["found"]].count(True) == 1
    assert "no thumbnail: " in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--store", "none"], 1, "`vidskim index VIDEOS --store"),
        (["--limit", "0"], 2, "limit must be 1 or more, received 0"),
        (["--between", "5", "1"], 2, "between must be"),
        (["--window", "-1"], 2, "--window"),
        (["--model", "./nowhere"], 1, "no such file or folder: ./nowhere"),
    ],
)
def test_what_cannot_be_is_refused(
    library: Path, verb: Verb, arguments: list[str], code: int, message: str
) -> None:
    found, document, _ = verb("search", QUERY, *arguments)
    assert found == code
    assert message in document["error"]["message"]


@pytest.mark.parametrize("level", [[], ["--level", "video"]])
def test_an_empty_sentence_is_refused(library: Path, verb: Verb, level: list[str]) -> None:
    code, document, _ = verb("search", " ", *level)
    assert (code, document["error"]["type"]) == (2, "SettingsError")
    assert "the sentence to search for is empty" in document["error"]["message"]
