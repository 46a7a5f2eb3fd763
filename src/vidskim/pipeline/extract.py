"""Many video files to feature files: resumable, one bad file never stops the rest, batches fill across videos."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vidskim.disk import locked
from vidskim.errors import VidskimError
from vidskim.pipeline.files import all_output_paths
from vidskim.pipeline.flow import Encoder, check_fps, encode_sources
from vidskim.pipeline.ledger import ExtractReport, Ledger
from vidskim.pipeline.progress import Progress
from vidskim.pipeline.resume import Agenda, Run, make_agenda, remove_partial_files
from vidskim.pipeline.sources import Source, name_sources, shared_root
from vidskim.video.clip import Clip
from vidskim.video.read import iter_video


def extract(
    videos: Sequence[Path],
    out: Path,
    encoder: Encoder,
    *,
    fps: float | None = 3.0,
    format: str = "safetensors",
    overwrite: bool = False,
    root: Path | None = None,
    read: Callable[..., Iterator[Clip]] = iter_video,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> ExtractReport:
    """Encode videos and write one feature file for each below `out`.

    Beside them: manifest.jsonl, one line for each finished video, and failures.jsonl, one for each failed one.
    Run again after a kill, it does what is missing. Metadata of a file: source_id, source (path as given), name,
    fingerprint, sampling, run (digest of both), version, dtype, health (decoder counts), macs.

    Args:
        videos: files; those that fail are counted and left out.
        out: folder, made if missing.
        fps: frames per second to sample, None for every frame.
        format: "safetensors" or "npy"; see `files`.
        overwrite: do everything again, also what another extractor left.
        root: output names are relative to it; default the deepest folder that holds all videos.
        read: yields bounded clips of a file; called with `fps`, `max_bytes` and the encoder's `reading`.

    Raises:
        FingerprintError: `out` holds features of another extractor or sampling; nothing was changed.
        SettingsError: a setting is out of range.
        VidskimError: another process writes to the output folder, or it cannot be read or written to (disk full);
            what was finished stays.
    """
    sources, run = _check(videos, encoder, fps=fps, root=root)
    if not out.is_dir():  # what can be refused in a new folder is refused before it is made
        make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)
    ledger = Ledger(out, run=run, format=format, listed=len(sources), on_progress=on_progress)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out):
            agenda = make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)
            remove_partial_files(sources, out=out, format=format)
            for source in agenda.todo:  # from here on, an output of a source that is there is right
                if source.path.exists():  # a disk that is not mounted costs no features
                    for path in all_output_paths(out, source.name):
                        path.unlink(missing_ok=True)
            ledger.open(sources, agenda)
            encode_sources(agenda.todo, encoder, ledger, fps=fps, read=read)
            return ledger.close()
    except OSError as error:
        where, why = error.filename or out, error.strerror or error
        raise VidskimError(
            f"cannot write {where}: {why}; finished videos are kept: make room and run the same command again"
        ) from error


def plan(
    videos: Sequence[Path],
    out: Path,
    encoder: Encoder,
    *,
    fps: float | None = 3.0,
    format: str = "safetensors",
    overwrite: bool = False,
    root: Path | None = None,
) -> Agenda:
    """What `extract` with the same arguments would do; nothing is written."""
    sources, run = _check(videos, encoder, fps=fps, root=root)
    return make_agenda(sources, out=out, run=run, format=format, overwrite=overwrite)


def _check(
    videos: Sequence[Path], encoder: Encoder, *, fps: float | None, root: Path | None
) -> tuple[list[Source], Run]:
    check_fps(fps)
    sources = name_sources(videos, root=root or shared_root(videos))
    dtype = str(encoder.dtype).removeprefix("torch.")
    return sources, Run(encoder.fingerprint, {"fps": None if fps is None else float(fps), "dtype": dtype})
