"""Tensors that depend on sizes alone: made once, kept, and safe to use anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from threading import local
from typing import ParamSpec, TypeVar

import torch

A = ParamSpec("A")
R = TypeVar("R")

_listening = local()  # .lists: of what is given out in this thread, for whoever asked to hold it


def kept(num: int) -> Callable[[Callable[A, R]], Callable[A, R]]:
    """Decorator: remember the `num` latest answers of a function that makes tensors from sizes and a device.

    Whoever gets such a tensor must not write into it. Two traps are closed here: a tensor made in inference mode would
    be refused by autograd later, so they are made outside of it; and what a tracer makes (`torch.compile`,
    `torch.export`) belongs to its graph, so nothing is kept then.
    """

    def decorate(function: Callable[A, R]) -> Callable[A, R]:
        def make(*args: A.args, **kwargs: A.kwargs) -> R:
            with torch.inference_mode(False), torch.no_grad():
                return function(*args, **kwargs)

        remembered = lru_cache(maxsize=num)(make)

        @wraps(function)
        def answer(*args: A.args, **kwargs: A.kwargs) -> R:
            if torch.compiler.is_compiling():
                return function(*args, **kwargs)
            found = remembered(*args, **kwargs)  # type: ignore[arg-type]
            for held_by_someone in getattr(_listening, "lists", ()):
                held_by_someone.append(found)
            return found

        return answer

    return decorate


@contextmanager
def held() -> Iterator[list[object]]:
    """A list of all that kept functions give out in the body: for who needs it longer than it may be remembered."""
    found: list[object] = []
    outer = getattr(_listening, "lists", ())
    _listening.lists = (*outer, found)
    try:
        yield found
    finally:
        _listening.lists = outer
