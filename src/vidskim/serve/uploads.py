"""Videos sent by browsers: written while they arrive, within caps, and kept only if they can be read."""

import asyncio
import os
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidskim.serve.caps import Caps
from vidskim.serve.decoding import Decoders
from vidskim.serve.media import HEAD_BYTES, recognise
from vidskim.serve.refusal import RefusedError

NAME_CHARS = 80
_ALLOWED = frozenset(" -_.()[]+,")


@dataclass(frozen=True)
class Upload:
    """A video that arrived: where it is, and what its header says (see `Decoders.inspect`)."""

    path: Path
    size_bytes: int
    facts: dict[str, Any]


class Uploads:
    """A folder of uploads. Use within one event loop."""

    def __init__(self, folder: Path, *, caps: Caps, decoders: Decoders) -> None:
        """Make the folder, and remove what a kill left half written."""
        self.folder = folder
        self._caps, self._decoders = caps, decoders
        self._under_way = 0
        folder.mkdir(parents=True, exist_ok=True)
        for rest in folder.glob(".*.part"):
            rest.unlink()

    async def receive(self, parts: AsyncIterator[bytes], *, name: str, stated: int | None) -> Upload:
        """Take one video in.

        Args:
            parts: its bytes as they come.
            name: what it is called where it comes from; only harmless characters of it are kept.
            stated: its size in bytes as announced, if it is.

        Raises:
            RefusedError: too many at once, too large, too slow, no room, or no video that can be read.
        """
        if stated is not None and stated > self._caps.upload_bytes:
            raise self._too_large()
        if self._under_way >= self._caps.uploads:
            raise RefusedError("busy", f"{self._caps.uploads} uploads are under way already; try again")
        self.check_room(stated or 0)
        self._under_way += 1
        partial = self.folder / f".{uuid.uuid4().hex}.part"
        try:
            size, head = await self._write(partial, parts)
            suffix, _ = recognise(head)
            if not suffix:
                raise RefusedError(
                    "unreadable_video", "this is no video file: MP4, MOV, MKV, WebM, AVI and others are"
                )
            facts = await asyncio.to_thread(
                self._decoders.inspect,
                str(partial),
                pixels=self._caps.pixels,
                duration_s=self._caps.duration_s,
            )
            path = self.folder / f"{uuid.uuid4().hex[:8]}-{harmless(name)}{suffix}"
            os.replace(partial, path)
            return Upload(path, size, facts)
        finally:
            self._under_way -= 1
            partial.unlink(missing_ok=True)

    async def _write(self, path: Path, parts: AsyncIterator[bytes]) -> tuple[int, bytes]:
        """All bytes into a file; how many there were, and the first."""
        until, size, head = time.monotonic() + self._caps.upload_s, 0, b""
        with path.open("wb") as file:
            while True:
                patience_s = min(self._caps.idle_s, until - time.monotonic())
                try:
                    part = await asyncio.wait_for(anext(parts, None), max(patience_s, 0))
                except TimeoutError:
                    raise RefusedError(
                        "too_slow",
                        f"nothing came for {self._caps.idle_s:g} s, or the upload took longer than "
                        f"{self._caps.upload_s:g} s",
                    ) from None
                if part is None:
                    break
                size += len(part)
                if size > self._caps.upload_bytes:
                    raise self._too_large()
                head = (head + part[:HEAD_BYTES])[:HEAD_BYTES]
                await asyncio.to_thread(file.write, part)
                self.check_room(0)
            await asyncio.to_thread(_to_disk, file)
        return size, head

    def check_room(self, size: int) -> None:
        """Raise RefusedError if so many more bytes would leave too little of the disk."""
        if shutil.disk_usage(self.folder).free - size < self._caps.free_bytes:
            raise RefusedError("no_room", "the server's disk has no room for this video")

    def _too_large(self) -> RefusedError:
        return RefusedError("too_large", f"a video may have {self._caps.upload_bytes} bytes")


def harmless(name: str) -> str:
    """The stem of a file name without anything that a path, a page or a shell could take for something else."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = last.rpartition(".")[0] or last
    kept = "".join(letter if letter.isalnum() or letter in _ALLOWED else "_" for letter in stem)
    kept = kept.encode("utf-8", "ignore").decode().strip(" .")
    while len(kept.encode()) > 2 * NAME_CHARS or len(kept) > NAME_CHARS:
        kept = kept[:-1]
    return kept or "video"


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
