"""Decoding in a process of its own."""

import os
from pathlib import Path

import pytest

from vidskim.serve.decoding import Decoders
from vidskim.serve.refusal import RefusedError


def test_a_broken_or_late_process_is_replaced(footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoders = Decoders(deadline_s=60.0)
    try:
        first = decoders.thumbnail(str(footage), at_s=0.5, side=160)
        process = decoders._all[0]._process
        os.kill(process.pid, 9)
        process.join()
        assert decoders.thumbnail(str(footage), at_s=0.5, side=160) == first
        monkeypatch.setattr(decoders, "_deadline_s", 0.0)
        with pytest.raises(RefusedError, match="decoding took longer than 0 s") as raised:
            decoders.inspect(str(footage), pixels=2**20, duration_s=60.0)
        assert raised.value.code == "unreadable_video"
        monkeypatch.setattr(decoders, "_deadline_s", 60.0)
        facts = decoders.inspect(str(footage), pixels=2**20, duration_s=60.0)
        assert (facts["width"], facts["frames"]) == (64, 16)
    finally:
        decoders.close()
