"""Interlaced frames made whole, one out for each one in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Generic, Literal, TypeVar

import av
import av.error
import av.filter

Deinterlace = Literal["auto", "on", "off"]
T = TypeVar("T")


class Deinterlacer(Generic[T]):
    """Bob–Weaver deinterlacing (FFmpeg's bwdif) of the frames that are flagged, or of all.

    It looks one frame ahead, so frames leave later than they came; what was put in beside each (`ticket`) leaves with
    it. Nothing happens, and nothing is delayed, before the first frame that needs it.
    """

    def __init__(self, mode: Deinterlace) -> None:
        self.num_done = 0  # frames that were interlaced
        self._mode = mode
        self._graph: av.filter.Graph | None = None
        self._shape: tuple[int, int, str] | None = None
        self._tickets: deque[T] = deque()

    def put(self, frame: av.VideoFrame, ticket: T) -> Iterator[tuple[av.VideoFrame, T]]:
        """Give one frame, take those that are done."""
        needed = self._mode == "on" or (self._mode == "auto" and frame.interlaced_frame)
        self.num_done += needed
        if self._graph is None and not needed:
            yield frame, ticket
            return
        shape = frame.width, frame.height, frame.format.name
        if shape != self._shape:
            yield from self.flush()
            self._graph = self._build(frame)
            self._shape = shape
        assert self._graph is not None
        self._graph.vpush(frame)
        self._tickets.append(ticket)
        yield from self._pull(self._graph)

    def flush(self) -> Iterator[tuple[av.VideoFrame, T]]:
        """Take what is left."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._pull(self._graph)
        self._graph = self._shape = None

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        tick = frame.time_base or Fraction(1, 90000)  # bwdif needs one; times travel in the tickets
        source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=tick)
        which = "all" if self._mode == "on" else "interlaced"
        graph.link_nodes(source, graph.add("bwdif", f"mode=send_frame:deint={which}"), graph.add("buffersink"))
        graph.configure()
        return graph

    def _pull(self, graph: av.filter.Graph) -> Iterator[tuple[av.VideoFrame, T]]:
        while self._tickets:
            try:
                frame = graph.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield frame, self._tickets.popleft()
