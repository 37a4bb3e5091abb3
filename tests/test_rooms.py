"""The order of the rooms: a room imports only from rooms below it, and `study` and the doors stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "medcl"

# architecture: cli -> workflows -> (figures, evaluation, methods) -> (training, data) -> (networks, losses) -> imaging
# -> study
FLOORS = [
    ["cli"],
    ["workflows"],
    ["figures", "evaluation", "methods"],
    ["training", "data"],
    ["networks", "losses"],
    ["imaging"],
    ["study"],
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = ("torch", "monai", "umap", "pandas", "sklearn", "plotly", "nibabel", "scipy", "numpy")


def imported_rooms(source: str) -> set[str]:
    """The medcl rooms that a module imports, wherever in the module the import stands."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that the room can be read"
            names += [node.module or ""]
            names += [f"medcl.{alias.name}" for alias in node.names if node.module == "medcl"]
    return {name.split(".")[1] for name in names if name.startswith("medcl.")} & set(FLOOR)


def breaches(room: str, source: str) -> set[str]:
    """The rooms that a module of `room` may not import but does."""
    return {other for other in imported_rooms(source) if other != room and FLOOR[other] <= FLOOR[room]}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_below_it(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    assert room in FLOOR, f"{room} is no room of the architecture"
    assert not breaches(room, path.read_text(encoding="utf-8"))


def test_a_breach_is_seen() -> None:
    assert breaches("losses", "def f():\n    from medcl.networks.encoder import build_encoder\n") == {"networks"}
    assert breaches("study", "import medcl.training.loop\n") == {"training"}
    assert breaches("data", "from medcl import training\n") == {"training"}
    assert not breaches("methods", "from medcl.losses.nt_xent import nt_xent\n")


def test_study_knows_no_torch() -> None:
    for path in (PACKAGE / "study").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        modules |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in modules if name.split(".")[0] in ("torch", "monai")}, path


def test_no_file_is_past_400_lines_and_no_function_past_100() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno <= 100, f"{path}: {node.name}"


def heavy_after(words: list[str]) -> set[str]:
    """The heavy packages in `sys.modules` after `medcl WORDS` in a fresh interpreter."""
    code = (
        "import sys\nfrom medcl.cli.app import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('HEAVY', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split("HEAVY")[1].split())


def test_help_and_version_import_nothing_heavy() -> None:
    assert heavy_after(["--help"]) == set()
    assert heavy_after(["--version"]) == set()


@pytest.mark.parametrize(
    "command", ["init", "doctor", "list", "simulate", "preprocess", "pretrain", "embed", "visualize"]
)
def test_a_commands_help_imports_nothing_heavy(command: str) -> None:
    assert heavy_after([command, "--help"]) == set()
