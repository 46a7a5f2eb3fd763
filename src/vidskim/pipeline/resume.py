"""What a run has still to do: outputs that are there and right are skipped, foreign ones are refused."""

import errno
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidskim.disk import partial_path
from vidskim.errors import FingerprintError, SettingsError, VidskimError
from vidskim.fingerprint import Fingerprint
from vidskim.pipeline.files import output_paths
from vidskim.pipeline.manifest import Record, read_lines
from vidskim.pipeline.sources import Source, source_id
from vidskim.pipeline.summary import Summary, read_summary

MANIFEST = "manifest.jsonl"
_NOT_THE_FILES_FAULT = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@dataclass(frozen=True)
class Run:
    """What all outputs of one folder have in common.

    Args:
        fingerprint: the extractor.
        sampling: how frames were chosen and in which number type they are encoded, plain JSON values.
    """

    fingerprint: Fingerprint
    sampling: dict[str, Any]

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change when extractor or sampling changes."""
        text = f"{self.fingerprint.digest} {self._sampling_json}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def _sampling_json(self) -> str:
        return json.dumps(self.sampling, sort_keys=True)

    def metadata(self) -> dict[str, str]:
        """What goes into the header of every feature file."""
        return {
            "fingerprint": self.fingerprint.to_json(),
            "sampling": self._sampling_json,
            "run": self.digest,
        }

    def differences(self, metadata: dict[str, str]) -> list[str]:
        """One line for each field in which a file's run differs from this one, "field: its -> ours"."""
        try:
            theirs = Fingerprint.from_json(metadata["fingerprint"])
            sampling = json.loads(metadata["sampling"])
        except (KeyError, ValueError) as error:
            return [f"not readable: {error}"]
        lines = theirs.differences(self.fingerprint)
        changed = [key for key in self.sampling if sampling.get(key) != self.sampling[key]]
        return lines + [f"{key}: {sampling.get(key)} -> {self.sampling[key]}" for key in changed]


@dataclass(frozen=True)
class Agenda:
    """The sources of a run, sorted out; `found` says what the files of the skipped ones hold, by name."""

    todo: list[Source]
    skipped: list[Source]
    found: dict[str, Summary]


def make_agenda(
    sources: Sequence[Source], *, out: Path, run: Run, format: str, overwrite: bool = False
) -> Agenda:
    """Sort sources into those to do and those already done by the same run from the same content.

    Raises:
        FingerprintError: the folder holds features of another run.
        SettingsError: two sources would write the same file.
    """
    _refuse_collisions(sources, out=out, format=format)
    agenda = Agenda(todo=[], skipped=[], found={})
    foreign: dict[str, dict[str, str]] = {}
    for source in sources:
        record = _existing(out, source.name, format)
        if record is not None and record.metadata.get("run") != run.digest:
            foreign[source.name] = dict(record.metadata)
        if record is None or overwrite or not _same_content(source, record):
            agenda.todo.append(source)
        else:
            agenda.skipped.append(source)
            agenda.found[source.name] = record
    if foreign and not overwrite:
        remedy = "overwrite them (--overwrite), or use another folder (--out)"
        raise FingerprintError(_refusal(out, foreign, run, remedy), remedy="overwrite")
    if not overwrite:
        _refuse_other_format(sources, out=out, format=format)
    strays = _strays(out, {source.name for source in sources}, run)
    if strays:
        remedy = "they are not among the videos of this run, so use another folder (--out)"
        raise FingerprintError(_refusal(out, strays, run, remedy), remedy="other_folder")
    return agenda


def _refuse_other_format(sources: Sequence[Source], *, out: Path, format: str) -> None:
    """Two files of one video would part ways as soon as one of them is made again."""
    names = {source.name for source in sources}
    for line in read_lines(out / MANIFEST):
        if line.get("name") in names and line.get("format") not in (None, format):
            raise FingerprintError(
                f"{out} holds features as {line['format']}, such as {line['name']}, and this run writes {format}.\n"
                "Nothing was changed; overwrite them (--overwrite), or use another folder (--out).",
                remedy="overwrite",
            )


def remove_partial_files(sources: Sequence[Source], *, out: Path, format: str) -> None:
    """Clear what a killed run left half written."""
    for source in sources:
        for path in output_paths(out, source.name, format):
            partial_path(path).unlink(missing_ok=True)


def _existing(out: Path, name: str, format: str) -> Summary | None:
    """What the output holds, if it is there and whole.

    Raises:
        VidskimError: it is there but cannot be read now; it may well be good, so the run must not replace it.
    """
    try:
        return read_summary(out, name, format)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        where = error.filename or output_paths(out, name, format)[-1]
        raise VidskimError(
            f"cannot read {where}: {error.strerror or error}; it may hold finished features, so nothing was "
            "changed: make it readable, or delete it, and run the same command again"
        ) from error


def _same_content(source: Source, record: Summary) -> bool:
    try:
        return record.metadata.get("source_id") == source_id(source.path)
    except OSError as error:
        if error.errno in _NOT_THE_FILES_FAULT:
            raise VidskimError(
                f"cannot read {source.path}: {error.strerror}; nothing was changed: raise the limit, "
                "and run the same command again"
            ) from error
        return False


def _refuse_collisions(sources: Sequence[Source], *, out: Path, format: str) -> None:
    owners: dict[Path, str] = {}
    for source in sources:
        for path in output_paths(out, source.name, format):
            if path in owners:
                raise SettingsError(
                    f"{owners[path]} and {source.name} would both write {path}; rename one of them"
                )
            owners[path] = source.name


def _strays(out: Path, names: set[str], run: Run) -> dict[str, dict[str, str]]:
    """Outputs of another run, known from the manifest, that this run would not replace."""
    found: dict[str, dict[str, str]] = {}
    for line in read_lines(out / MANIFEST):
        if line.get("name") in names or line.get("run") == run.digest:
            continue
        record = _recorded(out, line)
        if record is not None:
            found[line["name"]] = dict(record.metadata)
    return found


def _recorded(out: Path, line: Record) -> Summary | None:
    try:
        return _existing(out, line["name"], line["format"])
    except (KeyError, SettingsError):
        return None


def _refusal(out: Path, foreign: dict[str, dict[str, str]], run: Run, remedy: str) -> str:
    name, metadata = next(iter(foreign.items()))
    lines = [f"{out} holds {len(foreign)} feature files made by another run, such as {name}:"]
    lines += [f"  {difference}" for difference in run.differences(metadata)]
    return "\n".join([*lines, f"Nothing was changed; {remedy}."])
