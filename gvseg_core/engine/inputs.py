"""`open_video`: files, streams, cameras, pictures and the rendered demo, all by the same call."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from gvseg_core.data.demo import DemoSource, parse_demo
from gvseg_core.errors import UsageError
from gvseg_core.types import Frame
from gvseg_core.video import source as video_source
from gvseg_core.video.decode import FileSource
from gvseg_core.video.inputs import Input
from gvseg_core.video.selection import Selection
from gvseg_core.video.stills import StillsSource

Moment = str | float | Fraction
"""Seconds, or as text: `12.5`, `0:01:30`, `f300` (a frame)."""


def open_video(
    source: Input | str | os.PathLike[str],
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    stride: int = 1,
    fps: float | Fraction | None = None,
    stream: int | None = None,
) -> FileSource | StillsSource | DemoExcerpt:
    """Open one video; use it with `with`, and iterate it once.

    Args:
        source: what the command line takes, as long as it is one video: a file, a folder of frames, `-`, a camera's
            number, a URL, `demo`, `demo:seed=3,frames=500`.
        start, end: the part that is wanted, `end` exclusive. Frames keep their index and time.
        stride: of that part, every so-many-th frame.
        fps: frames a second, in place of the file's own timestamps.
        stream: the number of the video stream in the file; by default the one with the largest picture.

    Raises:
        VideoError: it cannot be found, opened or decoded.
        UsageError: settings that are wrong, or leave no frame.
    """
    if not isinstance(source, Input) and (spec := os.fspath(source)).split(":")[0] == "demo":
        source = Input("demo", spec, "demo")
    if not isinstance(source, Input) or source.kind != "demo":
        return video_source.open_video(source, start=start, end=end, stride=stride, fps=fps, stream=stream)
    if fps is not None or stream is not None:
        raise UsageError("the demo is rendered: it has no streams, and its rate is set by demo:rate=30")
    return DemoExcerpt(parse_demo(source.spec), Selection.of(start, end, stride))


class DemoExcerpt:
    """The chosen frames of the demo (a `VideoSource`, and a context manager).

    Raises:
        UsageError: `selection` holds none of its frames.
    """

    def __init__(self, demo: DemoSource, selection: Selection) -> None:
        assert demo.info.num_frames is not None, "a demo knows its length"
        assert demo.info.rate is not None, "a demo knows its rate"
        num_chosen = selection.num_of(demo.info.num_frames, demo.info.rate)
        if not num_chosen:
            raise UsageError(f"demo: no frame is chosen: it has {demo.info.num_frames}, {selection}")
        self.info = replace(demo.info, num_frames=num_chosen)
        self.problems: list[str] = []
        self._demo = demo
        self._selection = selection

    def __iter__(self) -> Iterator[Frame]:
        num_begun = 0
        for frame in self._demo:
            if self._selection.over(frame.index, frame.time):
                return
            if self._selection.begun(frame.index, frame.time):
                if num_begun % self._selection.stride == 0:
                    yield frame
                num_begun += 1

    def __enter__(self) -> DemoExcerpt:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open; here because every source can be closed."""
