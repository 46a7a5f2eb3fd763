"""Command lines that would go through, for a run that was refused because of what an earlier one left."""

import itertools
import shlex
from collections.abc import Sequence
from pathlib import Path


def remedy_lines(
    arguments: Sequence[str] | None, *, option: str, place: str | Path, replace: str | None
) -> list[str]:
    """How to go on.

    Args:
        arguments: of the command line that was refused; None if there was none.
        option: names the place to write to, such as "--out".
        place: what it was; a folder, or a URI as text.
        replace: the flag that replaces what is there, such as "--overwrite"; None if that is no way out.
    """
    if not arguments:
        return []
    elsewhere = [*_without(arguments, option), option, _free_folder(place)]
    lines = ["To keep them and write to another folder:", f"  vidskim {shlex.join(elsewhere)}"]
    if replace is not None:
        lines += ["To replace them:", f"  vidskim {shlex.join([*arguments, replace])}"]
    return lines


def _without(arguments: Sequence[str], option: str) -> list[str]:
    """The arguments less an option and its value."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if not skip and argument != option and not argument.startswith(f"{option}="):
            kept.append(argument)
        skip = argument == option and not skip
    return kept


def _free_folder(place: str | Path) -> str:
    """A folder beside it that is not there yet: features-2, features-3, ...; of a URI nobody looks what is there."""
    if "://" in str(place):
        return f"{str(place).rstrip('/')}-2"
    folder = Path(place)
    base = folder if folder.name.strip(".") else folder.resolve()
    return next(name for number in itertools.count(2) if not Path(name := f"{base}-{number}").exists())
