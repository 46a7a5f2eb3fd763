"""What `doctor` looks at: one function a subject, each giving lines that say ok, warn or FAIL and what to do."""

import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

from vidskim.cli.console import bytes_text

OK, WARN, FAIL = "ok", "warn", "FAIL"
PACKAGES = (
    "torch",
    "av",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "huggingface_hub",
    "lancedb",
    "pyarrow",
)


@dataclass(frozen=True)
class Check:
    """One line of the report. `remedy` says what to do if the status is not "ok"."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def check_versions() -> Iterator[Check]:
    """Python and packages."""
    yield Check("python", OK, platform.python_version())
    yield Check("vidskim", OK, version("vidskim"))
    for package in PACKAGES:
        try:
            yield Check(package, OK, version(package))
        except PackageNotFoundError:
            yield Check(package, FAIL, "not installed", f"pip install {package}")
    if importlib.util.find_spec("torchvision"):
        remedy = "pip uninstall torchvision, then pip install torch==2.13.0"
        yield Check("torchvision", WARN, "installed, not used, and it may have replaced torch", remedy)


def check_machine() -> Iterator[Check]:
    """Cores, memory, number formats, GPU."""
    import torch

    from vidskim.models.linear import cpu_has_bfloat16

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Check("cores", OK, f"{cores} usable, torch uses {torch.get_num_threads()} threads")
    if hasattr(os, "sysconf"):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        remedy = "use a smaller model" if memory < 4e9 else ""
        yield Check("memory", WARN if remedy else OK, bytes_text(memory), remedy)
    if cpu_has_bfloat16():
        yield Check("bfloat16", OK, 'in hardware on this CPU; dtype="auto" uses it')
    else:
        yield Check("bfloat16", OK, 'not in hardware on this CPU; dtype="auto" uses float32')
    if torch.cuda.is_available():
        yield Check("gpu", OK, torch.cuda.get_device_name(0))
    else:
        yield Check("gpu", OK, "none; the CPU is used")


def check_decoders() -> Iterator[Check]:
    """FFmpeg's libraries, the codecs that videos come in, and the encoder for test clips."""
    from vidskim.video.container import describe_decoders

    versions, codecs = describe_decoders()
    yield Check("ffmpeg", OK, ", ".join(f"{name} {number}" for name, number in versions.items()))
    remedy = "pip install --force-reinstall av (its own wheel, not a local build)"
    for codec, name in codecs.items():
        label = "encoder libx264" if codec == "libx264" else f"decoder {codec}"
        if name is not None:
            yield Check(label, OK, name)
        elif codec == "libx264":
            yield Check(label, WARN, "missing: no test clips can be written", remedy)
        else:
            yield Check(label, FAIL if codec == "h264" else WARN, "missing", remedy)


def check_round_trip() -> Iterator[Check]:
    """One second of H.264: render, decode, prepare, encode with the bundled model."""
    from vidskim.pipeline.load import load_encoder
    from vidskim.synth.draw import draw_script
    from vidskim.synth.render import render_video
    from vidskim.video.read import read_video
    from vidskim.video.write import write_video

    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        frames = render_video(draw_script("test", seed=0, number=0), fps=10.0, height=120, width=160)
        write_video(path, islice(frames, 10), 10.0)
        features = load_encoder("demo", method="reuse", dtype="float32").encode(read_video(path, fps=10.0))
    norms = features.vectors.norm(dim=1)
    good = len(features.times_s) == 10 and bool(((norms - 1).abs() < 1e-4).all())
    detail = f"{len(features.times_s)} of 10 frames, {time.perf_counter() - start:.2f} s"
    yield Check(
        "round trip", OK if good else FAIL, detail, "" if good else "report this with the lines above"
    )


SUBJECTS: tuple[Callable[[], Iterator[Check]], ...] = (
    check_versions,
    check_machine,
    check_decoders,
    check_round_trip,
)


def run_checks() -> Iterator[Check]:
    """All checks in order; one that breaks is a FAIL and does not stop the others."""
    for subject in SUBJECTS:
        name = subject.__name__.removeprefix("check_").replace("_", " ")
        try:
            yield from subject()
        except Exception as error:
            remedy = "reinstall: pip install --force-reinstall vidskim, or report this"
            yield Check(name, FAIL, f"{type(error).__name__}: {error}", remedy)
