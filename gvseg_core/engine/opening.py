"""One input, opened: its frames, what is shown to the network on them, and, afterwards, how whole it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from gvseg_core.data.exemplars import Exemplars, read_exemplars, with_exemplars
from gvseg_core.engine.inputs import open_video
from gvseg_core.engine.outputs import Job
from gvseg_core.engine.settings import PredictSettings
from gvseg_core.errors import DataError
from gvseg_core.types import Frame, VideoSource
from gvseg_core.video.decode import FileSource
from gvseg_core.video.stills import StillsSource

LOST_SHARE = Fraction(1, 100)  # of an input's frames; where more are missing it counts as cut


@dataclass(frozen=True, slots=True)
class Opened:
    """An input that is ready to be read, once."""

    job: Job
    number: int  # 1, 2, … among the inputs
    source: VideoSource
    exemplars: Exemplars | None = None  # None: as the source has them

    def frames(self) -> Iterable[Frame]:
        """What the network is to see."""
        return self.source if self.exemplars is None else with_exemplars(self.source, self.exemplars.by_frame)

    def notes(self) -> list[str]:
        """How what was given has been understood, a line each."""
        named = [self.job.source.note] if self.job.source is not None and self.job.source.note else []
        return named + (self.exemplars.conflicts + self.exemplars.notes if self.exemplars is not None else [])


def open_input(job: Job, number: int, settings: PredictSettings) -> Opened:
    """Open the input of `job`, and read the exemplars that go with it.

    Raises:
        GvsegError: why it cannot be begun: the job's own error, or one of the video, its range or its exemplars.
    """
    if job.error is not None:
        raise job.error
    assert job.source is not None, "a job without a source has an error"
    source = open_video(
        job.source,
        start=settings.start,
        end=settings.end,
        stride=settings.stride,
        fps=settings.fps,
        stream=settings.stream,
    )
    try:
        exemplars = read_exemplars(settings.exemplars, source.info.size) if settings.exemplars else None
        if settings.strict and exemplars is not None and exemplars.conflicts:
            raise DataError("; ".join(exemplars.conflicts))
    except BaseException:
        source.close()
        raise
    return Opened(job, number, source, exemplars)


def is_cut(source: VideoSource) -> bool:
    """Whether so much of a video that was read to its end is missing that its results are not the whole."""
    if not source.problems:
        return False
    if isinstance(source, StillsSource):
        num_lost, num_expected = source.num_errors, source.num_decoded + source.num_errors
    elif isinstance(source, FileSource) and source.num_expected:
        num_lost, num_expected = source.num_expected - source.num_decoded, source.num_expected
    else:
        return True
    return num_lost > LOST_SHARE * num_expected
