"""Imports go downhill only: rooms on one floor are strangers, and join from above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = [
    {
        "gvseg_core.types",
        "gvseg_core.errors",
        "gvseg_core.registry",
        "gvseg_core.config",
        "gvseg_core.recipes",
        "gvseg_core.files",
    },
    {"gvseg_core.ops", "gvseg_core.video"},
    {
        "gvseg_core.model",
        "gvseg_core.losses",
        "gvseg_core.track",
        "gvseg_core.data",
        "gvseg_core.metrics",
        "gvseg_core.sinks",
    },
    {"gvseg_core.tasks"},
    {"gvseg_core.segmenter"},
    {"gvseg_core.engine"},
    {"gvseg_cli"},
]
FILES = sorted([*ROOT.glob("gvseg_core/**/*.py"), *ROOT.glob("gvseg_cli/**/*.py")])


def room_of(module: str) -> str | None:
    for floor in FLOORS:
        for room in floor:
            if module == room or module.startswith(room + "."):
                return room
    return None


def floor_of(room: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if room in floor)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_downhill(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    room = room_of(module)
    if room is None:
        assert module == "gvseg_core", f"{module} is in no room of the house"
        return
    for name in imports_of(path):
        other = room_of(name)
        if other is None or other == room:
            continue
        here, there = floor_of(room), floor_of(other)
        # The ground floor's own modules may use each other in the order errors, registry, config, files, types.
        same_floor_ok = here == there == 0
        assert there < here or same_floor_ok, f"{module} imports {name}, which is not below it"


@pytest.mark.parametrize("path", [p for p in FILES if "gvseg_core" in p.parts], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_nothing_of_the_terminal(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports_of(path)}
    assert not roots & {"typer", "rich", "click", "gvseg_cli"}
