"""Looking up a thing by its name, with "did you mean …" when there is none of that name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from gvseg_core.errors import UsageError

T = TypeVar("T")


def choose(kind: str, known: Mapping[str, T], name: str) -> T:
    """The entry of `known` called `name`.

    Args:
        kind: what is being chosen, in the words of the message: "task", "backbone", "benchmark".
        known: every entry there is.
        name: the one that is wanted.

    Raises:
        UsageError: no such entry; the message names the nearest one and lists the rest.
    """
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"unknown {kind} {name!r}; {hint}known: {', '.join(sorted(known))}")
