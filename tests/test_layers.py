"""The shape of the code: which way imports point, how long things are, what may not be used."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "vidskim"
TESTS = ROOT / "tests"

# Lowest first. A room may import itself and lower steps, never a room on its own step.
LADDER = (
    ("errors", "fingerprint"),
    ("disk",),
    ("video", "tokens"),
    ("models",),
    ("methods",),
    ("store",),
    ("pipeline",),
    ("tasks",),
    ("synth",),
    ("evaluate",),
    ("train",),
    ("serve", "scale"),
    ("cli",),
    ("__main__",),
)
STEP = {room: step for step, rooms in enumerate(LADDER) for room in rooms}

FILE_LINES, FUNCTION_LINES, PARAMETERS = 300, 60, 8
# "path" or "path:function" -> (what may be larger, why)
SIZE_EXCEPTIONS: dict[str, str] = {}

FORBIDDEN_STEMS = {"utils", "util", "common", "helpers", "helper", "misc"}
FORBIDDEN_IMPORTS = {"torchvision", "timm", "open_clip", "decord", "mmcv", "pickle", "gradio", "streamlit"}
AV_FILES = {
    "video/container.py": "reads",
    "video/write.py": "writes",
    "video/cut.py": "copies packets",
}

# Tests that mirror no single source file, and why.
UNMIRRORED = {
    "test_layers.py": "it is about the whole tree",
    "test_init.py": "it mirrors src/vidskim/__init__.py",
}


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


SOURCES = {path.relative_to(PACKAGE).as_posix(): parse(path) for path in python_files(PACKAGE)}
OTHERS = {
    path.relative_to(ROOT).as_posix(): parse(path)
    for folder in (TESTS, ROOT / "benchmarks")
    for path in python_files(folder)
}


def module_name(relative: str) -> str:
    """ "video/read.py" -> "vidskim.video.read"; a package is named by its folder."""
    parts = ["vidskim", *relative.removesuffix(".py").split("/")]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(relative): relative for relative in SOURCES}


def imported_modules(relative: str, tree: ast.Module) -> list[str]:
    """Every module a file imports anywhere: at the top, inside functions, for type checking only."""
    found: list[str] = []
    package = module_name(relative).split(".")
    if not relative.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else base for name in inner]
    return found


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def arrows() -> list[tuple[str, str]]:
    """(importing module, imported module) inside the package."""
    return [
        (module_name(relative), target)
        for relative, tree in SOURCES.items()
        for target in imported_modules(relative, tree)
        if target.split(".")[0] == "vidskim"
    ]


def wrong_arrows(pairs: list[tuple[str, str]]) -> list[str]:
    """Imports that do not point down the ladder; the package root may name everything, nobody names the root."""
    wrong = []
    for source, target in pairs:
        if source == "vidskim" or room(source) == room(target) != "":
            continue
        if room(target) == "" or STEP[room(target)] >= STEP[room(source)]:
            wrong.append(f"{source} -> {target}")
    return wrong


def find_cycle(pairs: list[tuple[str, str]]) -> list[str]:
    """One cycle of modules, or an empty list."""
    graph: dict[str, set[str]] = {}
    for source, target in pairs:
        graph.setdefault(source, set()).add(target)
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return path[path.index(node) :]
        if node in done:
            return []
        for target in sorted(graph.get(node, ())):
            if cycle := visit(target, [*path, node]):
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), [])


def functions(tree: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def parameter_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def oversized(relative: str, path: Path, tree: ast.Module) -> list[str]:
    found = []
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > FILE_LINES:
        found.append((relative, f"{relative}: {lines} lines, allowed {FILE_LINES}"))
    for node in functions(tree):
        key = f"{relative}:{node.name}"
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > FUNCTION_LINES:
            found.append((key, f"{key}: {length} lines, allowed {FUNCTION_LINES}"))
        if parameter_count(node) > PARAMETERS:
            found.append((key, f"{key}: {parameter_count(node)} parameters, allowed {PARAMETERS}"))
    return [message for key, message in found if key not in SIZE_EXCEPTIONS]


def test_every_file_is_seen() -> None:
    assert len(SOURCES) >= 60
    assert len(OTHERS) >= 35
    rooms = {relative.split("/")[0].removesuffix(".py") for relative in SOURCES}
    assert rooms - {"__init__"} <= set(STEP), "a new room needs its step in LADDER"
    assert {"errors", "fingerprint", "video", "models", "methods", "pipeline", "cli"} <= rooms
    per_room = Counter(relative.split("/")[0] for relative in SOURCES)
    assert all(per_room[name] >= 2 for name in ("video", "models", "methods", "pipeline", "cli")), per_room


def test_imports_point_down_the_ladder() -> None:
    pairs = arrows()
    assert len(pairs) >= 150
    assert wrong_arrows(pairs) == []


def test_no_import_cycle() -> None:
    # a package's __init__ that only names its own modules is no cycle unless they import it back
    assert find_cycle(arrows()) == []


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("vidskim.video.read", "vidskim.tokens.plan"),
        ("vidskim.models.vit", "vidskim.methods.reuse"),
        ("vidskim.pipeline.extract", "vidskim.cli.main"),
        ("vidskim.serve.app", "vidskim.scale.ray"),
        ("vidskim.video.read", "vidskim"),
    ],
)
def test_a_wrong_arrow_is_caught(source: str, target: str) -> None:
    assert wrong_arrows([(source, target)]) == [f"{source} -> {target}"]


def test_a_cycle_is_caught() -> None:
    assert find_cycle([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]) == ["a", "b", "c"]


def test_imports_inside_functions_are_seen() -> None:
    tree = ast.parse("def f():\n    from ..video import read\n    import av\n")
    assert imported_modules("models/x.py", tree)[-1] == "av"
    assert imported_modules("models/x.py", tree)[0].startswith("vidskim.video")


def test_sizes_stay_in_budget() -> None:
    found = [
        message
        for relative, tree in SOURCES.items()
        for message in oversized(relative, PACKAGE / relative, tree)
    ]
    found += [
        message for relative, tree in OTHERS.items() for message in oversized(relative, ROOT / relative, tree)
    ]
    assert found == []


def test_size_exceptions_are_explained() -> None:
    for key, reason in SIZE_EXCEPTIONS.items():
        assert reason.strip()
        assert key.split(":")[0] in SOURCES | OTHERS, f"{key} is gone: remove its exception"


def test_no_vague_file_names() -> None:
    names = [Path(relative).stem for relative in SOURCES | OTHERS]
    assert FORBIDDEN_STEMS.isdisjoint(stem.removeprefix("test_") for stem in names)


def test_no_forbidden_imports() -> None:
    for relative, tree in (SOURCES | OTHERS).items():
        roots = {name.split(".")[0] for name in imported_modules(relative, tree)}
        allowed = (
            {"pickle"} if relative in OTHERS else set()
        )  # a law pickles modules; no file format is pickled
        assert (FORBIDDEN_IMPORTS - allowed).isdisjoint(roots), relative


def test_only_reading_and_writing_know_the_decoder() -> None:
    users = {
        relative
        for relative, tree in SOURCES.items()
        if "av" in {name.split(".")[0] for name in imported_modules(relative, tree)}
    }
    assert users == set(AV_FILES)


def test_tests_mirror_the_source_tree() -> None:
    """tests/video/test_read.py, or tests/video/test_read_damage.py, is about src/vidskim/video/read.py."""
    tests = [path.relative_to(TESTS) for path in python_files(TESTS) if path.name.startswith("test_")]
    assert len(tests) >= 30
    for path in tests:
        if path.as_posix() in UNMIRRORED or path.parts[0] in ("laws", "browser"):
            continue
        words = path.stem.removeprefix("test_").split("_")
        stems = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
        assert any((PACKAGE / path.parent / f"{stem}.py").exists() for stem in stems), (
            f"{path} mirrors no source"
        )
