"""Untrusted files are decoded in a process of their own, with a deadline and a limit on its memory.

A hostile or damaged file can hang a decoder or take its process down: the process is ended and another started, and
the server goes on. What comes back is plain bytes behind a JSON head, never objects.
"""

import json
import multiprocessing
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidskim.serve.decoder import serve_tasks
from vidskim.serve.refusal import RefusedError
from vidskim.video.clip import Clip, Health
from vidskim.video.views import Rows, Views

_START_S = 120.0  # a process that is being started imports the decoder first


class Decoders:
    """Some decoding processes, each started when it is first needed. Blocks; safe to use from several threads."""

    def __init__(self, *, count: int = 1, deadline_s: float = 20.0) -> None:
        self.count, self._deadline_s = count, deadline_s
        self._idle: queue.Queue[_Process] = queue.Queue()
        self._all = [_Process() for _ in range(count)]
        for process in self._all:
            self._idle.put(process)

    def thumbnail(self, path: str, *, at_s: float, side: int) -> bytes:
        """The frame shown at a time, as a JPEG made by us.

        Raises:
            RefusedError: the file cannot be read.
        """
        return self._ask("thumbnail", {"path": path, "at_s": at_s, "side": side})[1]

    def inspect(self, path: str, *, pixels: int, duration_s: float) -> dict[str, Any]:
        """Width, height, duration_s (or None), codec of a video; its first frame was decoded.

        Raises:
            RefusedError: it is no video, or above a cap.
        """
        return self._ask("inspect", {"path": path, "pixels": pixels, "duration_s": duration_s})[0]

    def cut(self, path: str, *, out: str, start_s: float, end_s: float, most_bytes: int) -> str:
        """Copy a part of a video into a new file; returns the suffix of its container.

        Raises:
            RefusedError: the file cannot be read, or holds nothing there.
        """
        settings = {"start_s": start_s, "end_s": end_s, "most_bytes": most_bytes}
        return str(self._ask("cut", {"path": path, "out": out, **settings})[0]["suffix"])

    def picture(self, data: bytes) -> NDArray[np.uint8]:
        """A picture file as uint8 [y, x, 3].

        Raises:
            RefusedError: it is none, or too large.
        """
        head, payload = self._ask("picture", {}, data)
        return np.frombuffer(payload, np.uint8).reshape(head["shape"])

    def views(self, path: str, views: Views, *, length: int, short_side: int | None) -> tuple[Clip, Rows]:
        """The frames of a video that views need, as `read_rows`.

        Raises:
            RefusedError: the file cannot be read.
        """
        settings = {"views": asdict(views), "length": length, "short_side": short_side}
        head, payload = self._ask("views", {"path": path, **settings})
        frames = np.frombuffer(payload, np.uint8).reshape(head["shape"])
        clip = Clip(frames, np.asarray(head["times_s"], np.float64), None, Health(path))
        return clip, np.asarray(head["rows"], np.int64)

    def close(self) -> None:
        """End the processes."""
        for process in self._all:
            process.stop()

    def _ask(self, task: str, arguments: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        with self._one() as process:
            head, payload = process.ask(task, arguments, data, deadline_s=self._deadline_s)
        if "problem" in head:
            raise RefusedError(head["problem"], head["message"])
        return head, payload

    @contextmanager
    def _one(self) -> "Iterator[_Process]":
        try:
            process = self._idle.get(timeout=self._deadline_s)
        except queue.Empty:
            raise RefusedError("busy", "too many pictures are being made; try again") from None
        try:
            yield process
        finally:
            self._idle.put(process)


class _Process:
    """One process; a new one after a deadline or a crash."""

    def __init__(self) -> None:
        self._process: Any = None
        self._line: Connection | None = None

    def ask(
        self, task: str, arguments: dict[str, Any], data: bytes, *, deadline_s: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send and wait."""
        try:
            line, patience_s = self._connected(deadline_s)
            line.send_bytes(json.dumps({"task": task, **arguments}).encode())
            line.send_bytes(data)
            if not line.poll(patience_s):
                raise RefusedError("unreadable_video", f"decoding took longer than {deadline_s:g} s")
            return json.loads(line.recv_bytes()), line.recv_bytes()
        except (EOFError, OSError):
            self.stop()
            raise RefusedError("unreadable_video", "the decoder broke down on this file") from None
        except RefusedError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._line is not None:
            self._line.close()
        self._process = self._line = None

    def _connected(self, deadline_s: float) -> tuple[Connection, float]:
        if self._line is not None and self._process.is_alive():
            return self._line, deadline_s
        self.stop()
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(
            target=serve_tasks, args=(theirs,), daemon=True, name="vidskim-decoder"
        )
        self._process.start()
        theirs.close()
        return self._line, _START_S + deadline_s
