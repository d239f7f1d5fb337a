"""`--progress`: the ways to draw, the same for every command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from gvseg_cli.console import Console
from gvseg_core.registry import choose

T = TypeVar("T")


def chosen_way(way: str, console: Console, ways: Mapping[str, Callable[[Console], T]]) -> T:
    """The way to draw that `--progress` names; `auto` is a bar on a terminal, plain lines elsewhere, none when quiet.

    Args:
        way: what was asked for.
        console: where it draws.
        ways: `bar`, `plain`, `json` and `none`.

    Raises:
        UsageError: no such way.
    """
    auto = "none" if console.quiet else "bar" if console.is_terminal else "plain"
    return choose("--progress", {"auto": ways[auto], **ways}, way)(console)
