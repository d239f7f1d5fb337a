"""`open_video`: the one way in for frames, whatever they come from."""

from __future__ import annotations

import os
from fractions import Fraction

from gvseg_core.errors import UsageError
from gvseg_core.video.decode import FileSource
from gvseg_core.video.deinterlace import Deinterlace
from gvseg_core.video.inputs import PICTURES, Input, expand
from gvseg_core.video.selection import Selection
from gvseg_core.video.stills import StillsSource


def open_video(
    source: Input | str | os.PathLike[str],
    *,
    start: str | float | Fraction | None = None,
    end: str | float | Fraction | None = None,
    stride: int = 1,
    fps: float | Fraction | None = None,
    stream: int | None = None,
    deinterlace: Deinterlace = "auto",
) -> FileSource | StillsSource:
    """Open a video: a file, a folder of frames, a picture, `-`, a camera, a URL. Use it with `with`, iterate it once.

    Args:
        source: one input; a word or path is understood as on the command line and must name one video.
        start, end: the part that is wanted, `end` exclusive; see `parse_time`. Frames keep their index and time.
        stride: of that part, every so-many-th frame.
        fps: frames a second, in place of the file's own timestamps; of pictures, which have none, 25 by default.
        stream: the number of the video stream in the file; by default the one with the largest picture.
        deinterlace: the frames flagged as interlaced, all, or none.

    Raises:
        VideoError: it cannot be found, opened or decoded.
        UsageError: settings that are wrong, or leave no frame.
    """
    if not isinstance(source, Input):
        found = expand([os.fspath(source)])
        if len(found) != 1:
            raise UsageError(f"{os.fspath(source)}: {len(found)} videos; open them one by one")
        source = found[0]
    if fps is not None and not 0 < fps <= 1000:
        raise UsageError(f"{fps} frames a second: wanted more than 0, and 1000 at most")
    rate = None if fps is None else Fraction(fps).limit_denominator(1001)
    selection = Selection.of(start, end, stride)
    if source.kind == "demo":
        raise UsageError("demo is rendered, not opened: it is a source of its own")
    if source.kind == "frames" or (source.path is not None and source.path.suffix.lower() in PICTURES):
        if stream is not None:
            raise UsageError(f"{source.shown}: pictures have no streams to choose from")
        return StillsSource(source, selection, fps=rate)
    return FileSource(source, selection, fps=rate, stream=stream, deinterlace=deinterlace)
