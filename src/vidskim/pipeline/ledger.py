"""The books of an extraction: what is done, failed and skipped, on disk and in the report."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vidskim.pipeline.features import Features
from vidskim.pipeline.files import KIND_CODES, FeatureFile, output_paths, write_features
from vidskim.pipeline.manifest import Record, append_line, read_lines, replace_lines
from vidskim.pipeline.progress import Progress, Tally
from vidskim.pipeline.reader import Ending
from vidskim.pipeline.resume import MANIFEST, Agenda, Run
from vidskim.pipeline.sources import Source, printable
from vidskim.pipeline.stages import StageTimes
from vidskim.pipeline.summary import Summary, summarise

FAILURES = "failures.jsonl"


@dataclass(frozen=True)
class ExtractReport:
    """The account of a run: done + failed + skipped = listed, always.

    Args:
        run: digest of extractor and sampling.
        frames: encoded in this run.
        macs: encoder multiply-accumulates spent on them.
        damaged: how many of the done videos had bad packets, corrupt frames or a missing end.
        failures: the lines added to failures.jsonl.
        times: seconds by stage.
    """

    out: Path
    run: str
    listed: int
    done: int
    failed: int
    skipped: int
    frames: int
    macs: int
    damaged: int
    failures: tuple[Record, ...]
    times: StageTimes

    def __post_init__(self) -> None:
        if self.done + self.failed + self.skipped != self.listed:
            raise RuntimeError(
                f"{self.done} done + {self.failed} failed + {self.skipped} skipped != {self.listed}"
            )

    @property
    def frames_per_s(self) -> float:
        """Encoded frames per second of wall time."""
        return self.frames / self.times.wall_s if self.times.wall_s else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        record = {name: value for name, value in vars(self).items() if name not in ("times", "failures")}
        record |= {"out": str(self.out), "failures": list(self.failures)}
        return {**record, "frames_per_s": round(self.frames_per_s, 2), "times": self.times.to_json()}


class Ledger:
    """Writes feature files, manifest.jsonl and failures.jsonl, and counts."""

    def __init__(
        self,
        out: Path,
        *,
        run: Run,
        format: str,
        listed: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.times = StageTimes()
        self._out, self._run, self._format = out, run, format
        self._tally = Tally(listed, on_progress)
        self._macs = self._damaged = 0
        self._failures: list[Record] = []
        self._started = time.perf_counter()

    def open(self, sources: Sequence[Source], agenda: Agenda) -> None:
        """Repair what a kill left: whole lines only, one a file, none without its file."""
        self._tidy_manifest(agenda)
        listed = {source.name for source in sources}
        earlier = [line for line in read_lines(self._out / FAILURES) if line.get("name") not in listed]
        replace_lines(self._out / FAILURES, earlier)
        for source in agenda.skipped:
            self._tally.add(source.name, "skipped")

    def close(self) -> ExtractReport:
        """Put the manifest in order and give the account."""
        self._tidy_manifest(None)
        self.times.wall_s = time.perf_counter() - self._started
        count = self._tally.progress
        return ExtractReport(
            out=self._out,
            run=self._run.digest,
            listed=count.listed,
            done=count.done,
            failed=count.failed,
            skipped=count.skipped,
            frames=count.frames,
            macs=self._macs,
            damaged=self._damaged,
            failures=tuple(self._failures),
            times=self.times,
        )

    def finish(self, source: Source, parts: Sequence[Features], ending: Ending) -> None:
        """Write the features of one video and note it down."""
        record = self._file(source, parts, ending)
        with self.times.measure("write"):
            write_features(record, out=self._out, name=source.name, format=self._format)
            append_line(self._out / MANIFEST, self._manifest_line(source.name, summarise(record)))
        self._macs += int(record.metadata["macs"])
        self._damaged += ending.damaged
        self._tally.add(source.name, "done", frames=len(record.times_s))

    def fail(self, source: Source, kind: str, message: str) -> None:
        """Note down that a video failed, and why."""
        line = {
            "name": source.name,
            "path": printable(source.path),
            "kind": kind,
            "message": printable(message),
        }
        line["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        append_line(self._out / FAILURES, line)
        self._failures.append(line)
        self._tally.add(source.name, "failed", message=line["message"])

    def _file(self, source: Source, parts: Sequence[Features], ending: Ending) -> FeatureFile:
        kinds = [KIND_CODES[str(kind)] for part in parts for kind in part.kinds]
        metadata = {
            **self._run.metadata(),
            "source_id": ending.id,
            "source": printable(source.path),
            "name": source.name,
            "version": version("vidskim"),
            "dtype": self._run.sampling["dtype"],
            "health": json.dumps(ending.health, sort_keys=True),
            "macs": str(sum(part.macs for part in parts)),
        }
        return FeatureFile(
            features=np.concatenate([part.vectors.cpu().float().numpy() for part in parts]),
            times_s=np.concatenate([np.asarray(part.times_s, np.float64) for part in parts]),
            kinds=np.array(kinds, np.uint8),
            metadata=metadata,
        )

    def _manifest_line(self, name: str, record: Summary) -> Record:
        """Follows from the feature file alone, so that a line lost in a kill can be written again."""
        keys = ("source", "source_id", "run", "version", "dtype")
        return {
            **{key: record.metadata[key] for key in keys},
            "name": name,
            "format": self._format,
            "output": output_paths(self._out, name, self._format)[-1].relative_to(self._out).as_posix(),
            "frames": record.frames,
            "dimensions": record.dimensions,
            "i_frames": record.i_frames,
            "start_s": record.start_s,
            "end_s": record.end_s,
            "macs": int(record.metadata["macs"]),
            "health": json.loads(record.metadata["health"]),
        }

    def _tidy_manifest(self, agenda: Agenda | None) -> None:
        path = self._out / MANIFEST
        lines = {line["name"]: line for line in read_lines(path) if {"name", "output"} <= line.keys()}
        if agenda is not None:
            lines |= {name: self._manifest_line(name, record) for name, record in agenda.found.items()}
        present = [line for line in lines.values() if (self._out / line["output"]).is_file()]
        replace_lines(path, sorted(present, key=lambda line: str(line["name"])))
