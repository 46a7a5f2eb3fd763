"""Pickles of plain data, read without running anything: lists, dictionaries, tuples, strings, numbers.

A pickle is a program. Here only those of its instructions are known that build such values; any that would import or
call something is an error before it could do so.
"""

import gzip
import pickletools
from pathlib import Path
from typing import Any

from vidskim.errors import SettingsError

_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_STRINGS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_VALUES = frozenset((*_NUMBERS, *_STRINGS, *_TEXTS))
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_NOTHING = frozenset(("PROTO", "FRAME", "STOP"))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_STORES, _LOADS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), ("GET", "BINGET", "LONG_BINGET")


class _Machine:
    """The stack and the memory that a pickle works on."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def take(self, count: int | None = None) -> list[Any]:
        """The last `count` values off the stack, or all since the last mark."""
        start = self.marks.pop() if count is None else len(self.stack) - count
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def step(self, name: str, argument: Any) -> bool:
        """Do one instruction; False if it is not one of the known."""
        if name in _NOTHING:
            return True
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in _STORES:
            self.memory[len(self.memory) if argument is None else int(argument)] = self.stack[-1]
        elif name in _LOADS:
            self.stack.append(self.memory[int(argument)])
        else:
            return self._gather(name)
        return True

    def _gather(self, name: str) -> bool:
        """Instructions that put values into others."""
        if name in ("APPEND", "APPENDS"):
            values = self.take(1 if name == "APPEND" else None)
            self.stack[-1].extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = self.take(2 if name == "SETITEM" else None)
            self.stack[-1].update(zip(values[::2], values[1::2], strict=True))
        elif name in ("LIST", "TUPLE", "DICT"):
            values = self.take()
            pairs = dict(zip(values[::2], values[1::2], strict=True)) if name == "DICT" else None
            self.stack.append(
                pairs if pairs is not None else list(values) if name == "LIST" else tuple(values)
            )
        elif name in _TUPLES:
            self.stack.append(tuple(self.take(_TUPLES[name])))
        else:
            return False
        return True


def read_plain_pickle(path: Path) -> Any:
    """The value in a pickle of plain data, of any protocol.

    Raises:
        SettingsError: damaged, or a pickle that builds anything else.
    """
    machine = _Machine()
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for instruction, argument, place in pickletools.genops(data):
            if not machine.step(instruction.name, argument):
                raise SettingsError(
                    f"{path}: not plain data: the pickle asks for {instruction.name} at byte {place}, which could run "
                    "code; save the sentences as JSON where you trust the file"
                )
        (value,) = machine.stack
    except SettingsError:
        raise
    except Exception as error:  # whatever a damaged file makes of the instructions
        raise SettingsError(f"{path}: a damaged pickle ({error})") from error
    return value
