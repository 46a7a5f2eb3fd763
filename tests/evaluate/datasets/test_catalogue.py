"""Every data set from a miniature of its official files."""

import gzip
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from vidskim.errors import SettingsError
from vidskim.evaluate.datasets.captioned import CaptionedVideos
from vidskim.evaluate.datasets.catalogue import READERS, read_dataset


def write(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            continue
        text = content if isinstance(content, str) else json.dumps(content)
        data = text.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return folder


MSRVTT = {
    "MSRVTT_JSFUSION_test.csv": (
        'key,vid_key,video_id,sentence\nret0,msr1,video1,"a dog, running"\nret1,msr2,video2,rain\n'
    ),
    "MSRVTT_train.9k.csv": "video_id\nvideo3\nvideo4\n",
    "MSRVTT_train.7k.csv": "video_id\nvideo4\n",
    "MSRVTT_data.json": {
        "sentences": [
            {"video_id": "video4", "caption": "a man sings", "sen_id": 0},
            {"video_id": "video1", "caption": "of the test", "sen_id": 1},
            {"video_id": "video3", "caption": "a car", "sen_id": 2},
            {"video_id": "video4", "caption": "singing", "sen_id": 3},
        ],
        "videos": [{"video_id": f"video{n}", "url": f"watch?v={n // 2}"} for n in range(1, 6)],
    },
}
ACTIVITYNET = {
    "val_1.json.gz": {
        "v_one": {
            "duration": 9.1,
            "timestamps": [[0, 2], [2, 9]],
            "sentences": [" A man runs.", " He falls. "],
        },
        "v_two": {"duration": 5.0, "timestamps": [[0, 5]], "sentences": ["Rain."]},
    },
    "train.json": {"v_six": {"sentences": ["Snow."]}, "v_ten": {"sentences": ["Wind."]}},
    "train_ids.json": ["v_ten"],
}
DIDEMO = {
    "test_data.json": [
        {"video": "a_1.mov", "description": "a dog", "times": [[0, 0]]},
        {"video": "b_2.avi", "description": "left", "times": [[1, 2]]},
        {"video": "a_1.mov", "description": "it jumps", "times": [[1, 1]]},
    ],
    "val_data.json": [{"video": "c.mp4", "description": "sun", "times": []}],
    "test_list.txt": "b_2.avi\na_1.mp4\nnever_described.mp4\n",
}
LSMDC = {
    "LSMDC16_challenge_1000_publictect.csv": (
        "1001_Flight_00.10\t00.00.10\t00.00.14\t00.00.09\t00.00.15\tSOMEONE smiles.\n"
        '1002_Film_00.20\t0\t1\t0\t1\tHe says "no".\n\n'
    )
}
VATEX = {
    "vatex_training_v1.0.json": [{"videoID": "G9z_1_11", "enCap": ["A man.", "A person."], "chCap": ["x"]}]
}
MSVD = {
    "test_list.txt": "-a_b_2_10_18\n-a_b_2_5_9\n",
    "raw-captions.pkl": pickle.dumps(
        {"-a_b_2_5_9": [["a", "dog"]], "-a_b_2_10_18": [["rain"], ["it", "rains"]], "vid3": []}
    ),
}

CASES: list[tuple[str, str, dict[str, Any], CaptionedVideos]] = [
    ("msrvtt", "test", MSRVTT, CaptionedVideos(("video1", "video2"), ("a dog, running", "rain"), (0, 1))),
    (
        "msrvtt",
        "train",
        MSRVTT,
        CaptionedVideos(
            ("video4", "video3"),
            ("a man sings", "a car", "singing"),
            (0, 1, 0),
            origins=("watch?v=2", "watch?v=1"),
        ),
    ),
    (
        "msrvtt",
        "train-7k",
        {**MSRVTT, "MSRVTT_data.json": {"sentences": MSRVTT["MSRVTT_data.json"]["sentences"]}},
        CaptionedVideos(("video4",), ("a man sings", "singing"), (0, 0), origins=("video4",)),
    ),
    (
        "activitynet",
        "val",
        ACTIVITYNET,
        CaptionedVideos(("one", "two"), ("A man runs. He falls.", "Rain."), (0, 1)),
    ),
    ("activitynet", "train", ACTIVITYNET, CaptionedVideos(("ten",), ("Wind.",), (0,))),
    (
        "didemo",
        "test",
        DIDEMO,
        CaptionedVideos(("b_2.avi", "a_1.mov"), ("a dog it jumps", "left"), (1, 0), 31.0),
    ),
    ("didemo", "val", DIDEMO, CaptionedVideos(("c.mp4",), ("sun",), (0,), 31.0)),
    (
        "lsmdc",
        "test",
        LSMDC,
        CaptionedVideos(
            ("1001_Flight_00.10", "1002_Film_00.20"),
            ("SOMEONE smiles.", 'He says "no".'),
            (0, 1),
            origins=("1001_Flight", "1002_Film"),
        ),
    ),
    (
        "vatex",
        "train",
        VATEX,
        CaptionedVideos(("G9z_1_11",), ("A man.", "A person."), (0, 0), origins=("G9z",)),
    ),
    (
        "msvd",
        "test",
        MSVD,
        CaptionedVideos(
            ("-a_b_2_10_18", "-a_b_2_5_9"),
            ("rain", "it rains", "a dog"),
            (0, 0, 1),
            origins=("-a_b_2", "-a_b_2"),
        ),
    ),
]


@pytest.mark.parametrize(("name", "split", "files", "expected"), CASES)
def test_a_miniature_of_each(
    tmp_path: Path, name: str, split: str, files: dict[str, Any], expected: CaptionedVideos
) -> None:
    assert read_dataset(name, write(tmp_path, files), split) == expected


def test_listed_videos_that_nobody_described_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="vidskim"):
        read_dataset("didemo", write(tmp_path, DIDEMO), "test")
    assert "no descriptions of 1 listed videos, such as never_described" in caplog.text


def test_listed_videos_of_activitynet_without_captions_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = {
        "val_1.json": {"v_a": {"sentences": ["rain"]}, "v_c": {"sentences": ["sun"]}},
        "val_ids.json": ["v_a", "v_b"],
    }
    assert read_dataset("activitynet", write(tmp_path, files), "val").videos == ("a",)
    assert "no captions of 1 listed videos, such as v_b" in caplog.text


def test_every_data_set_is_tried() -> None:
    assert {case[0] for case in CASES} == set(READERS)


@pytest.mark.parametrize(
    ("name", "split", "files", "message"),
    [
        ("msrvt", "test", {}, "unknown data set 'msrvt'; .* Did you mean 'msrvtt'"),
        ("msrvtt", "val", {}, "unknown split of msrvtt, 'val'; allowed: test, train, train-7k"),
        ("msrvtt", "test", {}, "no MSRVTT_JSFUSION_test.csv"),
        (
            "msrvtt",
            "test",
            {"MSRVTT_JSFUSION_test.csv": "video_id\nvideo1\n"},
            "no column sentence; it has video_id",
        ),
        (
            "msrvtt",
            "test",
            {"MSRVTT_JSFUSION_test.csv": "video_id,sentence\nvideo1\n"},
            "line 2: fewer columns",
        ),
        ("activitynet", "val", {"val_1.json": [1]}, "expected a JSON dict, received list"),
        ("activitynet", "val", {"val_1.json": "{"}, "cannot be read as JSON"),
        ("activitynet", "val", {"val_1.json": {"v_a": {"text": 1}}}, "expected a record with 'sentences'"),
        ("didemo", "val", {"val_data.json.gz": b"no gzip"}, "cannot be read as UTF-8 text"),
        (
            "lsmdc",
            "val",
            {"LSMDC16_annos_val.csv": "a\tb\n"},
            "line 1: expected 6 columns between tabs, received 2",
        ),
        ("vatex", "test", {}, "no vatex_public_test_english_v1.1.json or vatex_test_v1.1.json"),
        ("msvd", "test", {**MSVD, "test_list.txt": "vid9"}, "no sentences of 1 videos, such as vid9"),
        (
            "msrvtt",
            "train-7k",
            {**MSRVTT, "MSRVTT_train.7k.csv": "video_id\nvideo4\nvideo9\n"},
            "no sentences of 1 videos, such as video9",
        ),
        (
            "msvd",
            "test",
            {**MSVD, "raw-captions.pkl": pickle.dumps([])},
            "expected sentences by video, received list",
        ),
        (
            "msvd",
            "test",
            {"test_list.txt": "a", "raw-captions.pkl": pickle.dumps({"a": [[b"rain"]]})},
            r"expected a sentence or a list of words, received \[b'rain'\]",
        ),
        (
            "msrvtt",
            "test",
            {"MSRVTT_JSFUSION_test.csv": "video_id,sentence\nvideo1,a\rb\n"},
            "cannot be read as CSV",
        ),
    ],
)
def test_files_that_do_not_fit_are_named(
    tmp_path: Path, name: str, split: str, files: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        read_dataset(name, write(tmp_path, files), split)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such folder of annotations"):
        read_dataset("msrvtt", tmp_path / "nowhere", "test")
