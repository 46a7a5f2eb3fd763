"""vidskim index, from files to a store."""

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from vidskim.cli.main import main
from vidskim.pipeline import renewal
from vidskim.pipeline.load import load_model
from vidskim.store.dataset import Store
from vidskim.video.read import read_video

Verb = Any  # see conftest


def test_a_folder_is_indexed_with_the_bundled_model(library: Path, rendered: Path, verb: Verb) -> None:
    store = Store.open(library / "vidskim-store")
    assert [video.name for video in store.videos()] == ["v0.mp4", "v1.mp4", "v2.mp4"]
    origin = {"source": "demo", "method": "reuse", "config": {}, "scaler": "pillow"}
    assert store.about.origin == origin
    features = load_model(**origin).encode(read_video(rendered / "v1.mp4", fps=3.0))
    frames = store.frames(store.videos()[1].id)
    assert frames.vectors.shape == (len(features), 256)
    assert (frames.vectors * features.vectors.numpy()).sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert frames.start_s.tolist() == features.times_s.tolist()
    assert frames.kinds.tolist() == features.kinds.tolist()
    code, report, err = verb("index", rendered)
    assert (code, report["skipped"], report["done"], report["reindexed"]) == (0, 3, 0, None)
    assert err == ""


def test_a_store_remembers_its_budget(rendered: Path, tmp_path: Path, verb: Verb) -> None:
    store, video = tmp_path / "store", rendered / "v1.mp4"
    assert verb("index", video, "--store", store, "--budget", 0.3)[0] == 0
    about = Store.open(store).about
    assert (about.origin["budget"], about.fingerprint.settings["budget"]) == (0.3, 0.3)
    assert verb("index", video, "--store", store, "--set", "budget=0.3")[1]["skipped"] == 1
    assert verb("search", "a red star", "--store", store)[0] == 0
    # a video that is not in it is encoded as those in it were
    code, document, _ = verb("ground", rendered / "v2.mp4", "a red star", "--store", store)
    assert (code, document["vectors_from"]) == (0, "file")
    code, report, _ = verb("index", video, "--store", store)
    assert (code, report["error"]["type"]) == (1, "FingerprintError")
    assert "settings.budget: 0.3 -> 0.45" in report["error"]["message"]


def test_the_default_budget_is_the_one_that_is_documented(library: Path, rendered: Path, verb: Verb) -> None:
    assert verb("index", rendered, "--budget", 0.45)[1]["skipped"] == 3
    code, report, _ = verb("index", rendered, "--budget", 0.45, "--keep", 0.2)
    assert (code, report["error"]["type"]) == (2, "SettingsError")
    assert "received budget=0.45 and keep=0.2" in report["error"]["message"]


def test_bad_files_give_exit_3_and_are_named(
    tmp_path: Path, rendered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(rendered / "v0.mp4", tmp_path / "good.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(SystemExit) as exit_info:
        main(["index", str(tmp_path), "--store", str(tmp_path / "store"), "--method", "full"])
    captured = capsys.readouterr()
    assert exit_info.value.code == 3
    assert "1 done + 1 failed + 0 skipped = 2 listed" in captured.out
    assert f"failed {tmp_path}/text.mp4: not a readable video" in captured.out
    assert "limiting stage: " in captured.out
    assert f'search it: vidskim search "a sentence" --store {tmp_path}/store' in captured.out
    assert "failed text.mp4: not a readable video" in captured.err


def test_the_bundled_model_is_said_to_know_little(
    library: Path, rendered: Path, clip_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []
    for options in (["--store", "vidskim-store"], ["--store", "other", "--model", str(clip_model)]):
        with pytest.raises(SystemExit):
            main(["index", str(rendered / "v0.mp4"), *options])
        told.append(capsys.readouterr().err)
    assert told[0].startswith(
        "the bundled model knows coloured shapes only; for other videos fetch one, such as"
    )
    assert "`vidskim prepare openai/clip-vit-base-patch32`, and give it: --model" in told[0]
    assert "bundled" not in told[1]


def test_another_extractor_is_refused_with_two_commands_that_go_through(
    library: Path, rendered: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report, _ = verb("index", rendered / "v0.mp4", "--method", "copy")
    message = report["error"]["message"]
    assert (code, report["error"]["type"]) == (1, "FingerprintError")
    assert "method: reuse -> copy" in message
    keep, replace = (line.strip() for line in message.splitlines() if line.startswith("  vidskim "))
    assert keep == f"vidskim index {rendered}/v0.mp4 --method copy --json --store vidskim-store-2"
    assert replace == f"vidskim index {rendered}/v0.mp4 --method copy --json --reindex"
    assert Store.open("vidskim-store").count().videos == 3
    for command, videos in ((keep, 1), (replace, 3)):
        with pytest.raises(SystemExit) as exit_info:
            main(shlex.split(command)[1:])
        document = json.loads(capsys.readouterr().out)
        assert (exit_info.value.code, document["done"]) == (0, videos)


def test_reindexing_with_another_extractor_encodes_all_that_exists(
    tmp_path: Path, rendered: Path, verb: Verb
) -> None:
    clips, store = tmp_path / "clips", tmp_path / "store"
    shutil.copytree(rendered, clips)
    assert verb("index", clips, "--store", store, "--method", "copy")[0] == 0
    (clips / "v2.mp4").unlink()
    extra = shutil.copy(rendered / "v2.mp4", tmp_path / "extra.mp4")
    command = ["index", extra, "--store", store, "--method", "full"]
    code, report, _ = verb(*command, "--reindex")
    assert code == 2
    assert f"1 videos in {store} are not there now ({clips}/v2.mp4)" in report["error"]["message"]
    assert Store.open(store).about.fingerprint.method == "copy"
    code, report, err = verb(*command, "--reindex", "--yes")
    assert (code, report["listed"], report["done"]) == (0, 3, 3)
    again = {"encoded_again": [str(clips / "v0.mp4"), str(clips / "v1.mp4")], "left": [str(clips / "v2.mp4")]}
    assert report["reindexed"] == again
    assert "is emptied, since it holds vectors of another extractor; 2 videos that it held" in err
    assert Store.open(store).about.fingerprint.method == "full"


def test_what_failed_or_was_missing_in_a_reindexing_is_tried_again(
    tmp_path: Path, rendered: Path, verb: Verb, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, store, away = tmp_path / "clips", tmp_path / "store", tmp_path / "away"
    shutil.copytree(rendered, clips)
    assert verb("index", clips, "--store", store, "--method", "copy")[0] == 0
    (clips / "v2.mp4").rename(away)  # a disk that is not mounted
    (clips / "v1.mp4").write_text("damaged")
    with pytest.raises(SystemExit) as exit_info:
        main(
            [
                "index",
                str(clips / "v0.mp4"),
                "--store",
                str(store),
                "--method",
                "full",
                "--reindex",
                "--yes",
            ]
        )
    assert exit_info.value.code == 3
    out = capsys.readouterr().out
    names = f"{clips}/v1.mp4, {clips}/v2.mp4"
    assert f"2 videos that the store held before --reindex are not in it yet ({names})" in out
    assert f"to forget them, delete {store}/waiting.json" in out
    away.rename(clips / "v2.mp4")
    shutil.copy(rendered / "v1.mp4", clips / "v1.mp4")
    command = ["index", clips / "v0.mp4", "--store", store, "--method", "full", "--reindex"]
    code, report, err = verb(*command)
    assert (code, report["done"], report["reindexed"]["left"]) == (0, 3, [])
    assert f"an earlier --reindex of {store} is finished as well: 2 videos" in err
    code, report, _ = verb("index", clips, "--store", store, "--method", "full")
    assert (code, report["skipped"], report["reindexed"]) == (0, 3, None)


def test_an_interrupted_reindexing_is_finished_by_the_next_run(
    library: Path,
    rendered: Path,
    verb: Verb,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real, calls = Store.add, []

    def add(self: Store, *args: Any, **named: Any) -> Any:
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(args)
        return real(self, *args, **named)

    monkeypatch.setattr(Store, "add", add)
    with pytest.raises(SystemExit) as exit_info:
        main(["index", str(rendered / "v2.mp4"), "--method", "copy", "--reindex"])
    assert exit_info.value.code == 130
    monkeypatch.setattr(Store, "add", real)
    capsys.readouterr()
    assert Store.open("vidskim-store").count().videos == 1
    code, report, err = verb("index", rendered / "v2.mp4", "--method", "copy")
    assert (code, report["listed"], report["skipped"], report["done"]) == (0, 3, 1, 2)
    assert "an interrupted --reindex of vidskim-store is finished as well: 3 videos" in err
    assert renewal.find_renewal("vidskim-store") is None


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--method", "resuse"], 2, "Did you mean 'reuse'"),
        (["--set", "selct=center"], 2, "Did you mean 'select'"),
        (["--fps", "-1"], 2, "fps must be above 0"),
        (["--model", "./nowhere"], 1, "no such file or folder"),
        (["--store", __file__], 1, "could not be"),
    ],
)
def test_wrong_settings_are_named_and_change_nothing(
    library: Path, rendered: Path, verb: Verb, options: list[str], code: int, message: str
) -> None:
    found, report, _ = verb("index", rendered, "--reindex", *options)
    assert found == code
    assert message in report["error"]["message"]
    assert Store.open("vidskim-store").count().videos == 3
