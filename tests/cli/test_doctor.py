"""vidskim doctor: what it reports and when it fails."""

import json
from collections.abc import Iterator

import pytest

from vidskim.cli import checks
from vidskim.cli.main import main


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
