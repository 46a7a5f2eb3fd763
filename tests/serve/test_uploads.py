"""Uploads while they arrive."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from vidskim.serve.caps import Caps
from vidskim.serve.decoding import Decoders
from vidskim.serve.refusal import RefusedError
from vidskim.serve.uploads import Uploads, harmless


def receive(folder: Path, parts: AsyncIterator[bytes], **caps: float) -> str:
    """The code it is refused with."""

    async def run() -> str:
        uploads = Uploads(folder, caps=Caps(**caps), decoders=Decoders())
        with pytest.raises(RefusedError) as raised:
            await uploads.receive(parts, name="a.mp4", stated=None)
        return raised.value.code

    code = asyncio.run(run())
    assert list(folder.iterdir()) == []
    return code


async def drops(count: int, *, pause_s: float) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"\0\0\0\x18ftypmp42"
        await asyncio.sleep(pause_s)


def test_a_sender_that_falls_silent(tmp_path: Path) -> None:
    assert receive(tmp_path, drops(2, pause_s=60), idle_s=0.1) == "too_slow"


def test_a_sender_that_drips_for_ever(tmp_path: Path) -> None:
    assert receive(tmp_path, drops(10**6, pause_s=0.01), upload_s=0.3, idle_s=5) == "too_slow"


def test_too_many_bytes_are_noticed_while_they_come(tmp_path: Path) -> None:
    assert receive(tmp_path, drops(10**6, pause_s=0), upload_bytes=10_000) == "too_large"


def test_a_sender_that_breaks_off(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"\0\0\0\x18ftypmp42"
        raise ConnectionResetError

    async def run() -> None:
        uploads = Uploads(tmp_path, caps=Caps(), decoders=Decoders())
        for _ in range(Caps().uploads + 1):  # each gives its place back
            with pytest.raises(ConnectionResetError):
                await uploads.receive(broken(), name="a.mp4", stated=None)

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []


def test_too_many_at_once(tmp_path: Path) -> None:
    async def run() -> str:
        uploads = Uploads(tmp_path, caps=Caps(uploads=1, idle_s=0.3), decoders=Decoders())
        first = asyncio.create_task(uploads.receive(drops(2, pause_s=60), name="a", stated=None))
        await asyncio.sleep(0.05)
        with pytest.raises(RefusedError) as raised:
            await uploads.receive(drops(1, pause_s=0), name="b", stated=None)
        with pytest.raises(RefusedError):
            await first
        return raised.value.code

    assert asyncio.run(run()) == "busy"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("My clip (1).mp4", "My clip (1)"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot"),
        ("<script>alert(1)</script>.mp4", "script_"),
        ("...", "video"),
        ("", "video"),
        ("-rf ~;$(x)`y`|z.mp4", "-rf ___(x)_y__z"),
        ("été 🎬.mkv", "été _"),
        ("a\0b\nc.mp4", "a_b_c"),
        ("\ud800.mp4", "_"),
        ("x" * 300 + ".mp4", "x" * 80),
        ("日" * 100 + ".mp4", "日" * 53),
    ],
)
def test_names_keep_only_what_is_harmless(name: str, kept: str) -> None:
    assert harmless(name) == kept
