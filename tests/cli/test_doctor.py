"""vidskim doctor: what it reports and when it fails."""

import json
from collections.abc import Iterator

import pytest

from vidskim.cli import checks
from vidskim.cli.main import main
from vidskim.video import container


def run(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as exit_info:
        main(["doctor", *options])
    return int(exit_info.value.code or 0), capsys.readouterr().out


def test_a_working_installation_passes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--json")
    document = json.loads(out)
    by_name = {check["name"]: check for check in document["checks"]}
    assert {
        "python",
        "torch",
        "av",
        "ffmpeg",
        "decoder h264",
        "cores",
        "bfloat16",
        "gpu",
        "round trip",
    } <= set(by_name)
    assert by_name["round trip"]["status"] == "ok", by_name["round trip"]
    assert (code, document["ok"], document["failed"]) == (0, True, 0)
    assert by_name["round trip"]["detail"].startswith("10 of 10 frames")


def test_what_breaks_fails_with_a_remedy_and_does_not_stop_the_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_engine() -> Iterator[checks.Check]:
        raise OSError("no engine")
        yield

    monkeypatch.setattr(checks, "SUBJECTS", (check_engine, checks.check_versions))
    monkeypatch.setattr(checks, "PACKAGES", ("torch", "no-such-package"))
    code, out = run(capsys)
    assert code == 1
    assert "FAIL  engine            OSError: no engine" in out
    assert "-> pip install no-such-package" in out
    assert "2 failed, 0 warnings" in out


def test_missing_codecs_are_named_by_how_much_they_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    codecs = {"h264": None, "vp9": None, "av1": "AV1 (AOMedia Video 1)", "libx264": None}
    monkeypatch.setattr(container, "describe_decoders", lambda: ({"libavcodec": "61.1.2"}, codecs))
    lines = [(check.name, check.status, check.detail) for check in checks.check_decoders()]
    assert lines == [
        ("ffmpeg", "ok", "libavcodec 61.1.2"),
        ("decoder h264", "FAIL", "missing"),
        ("decoder vp9", "warn", "missing"),
        ("decoder av1", "ok", "AV1 (AOMedia Video 1)"),
        ("encoder libx264", "warn", "missing: no test clips can be written"),
    ]
    assert all(
        "--force-reinstall av" in check.remedy for check in checks.check_decoders() if check.status != "ok"
    )
