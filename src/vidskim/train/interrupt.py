"""Ctrl-C between two moments that belong together."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block that Ctrl-C does not cut in two, nor SIGTERM where it is as that: KeyboardInterrupt is raised after it.

    Where signals do not come to this thread, or somebody else handles them, it changes nothing.
    """
    raising = [number for number in SIGNALS if signal.getsignal(number) is signal.default_int_handler]
    if threading.current_thread() is not threading.main_thread():
        raising = []
    came: list[int] = []
    for number in raising:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number in raising:
            signal.signal(number, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt
