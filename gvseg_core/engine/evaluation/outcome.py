"""What came of an evaluation, and how JSON holds it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gvseg_core import __version__
from gvseg_core.engine.benchmarks import Bench
from gvseg_core.engine.evaluation.classes import plain
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.files import PartFile, writing
from gvseg_core.registry import choose
from gvseg_core.types import Scores, Vocabulary


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How an evaluation ended."""

    bench: Bench
    scores: Scores | None  # None where truth is hidden, or the run was stopped
    num_videos: int
    num_done: int
    hidden: str = ""  # why there are no scores, and where to get them
    notes: Sequence[str] = ()  # one line each: what was understood, is missing, or left out
    outputs: Sequence[Path] = ()  # written, whole
    published: Mapping[str, float] = field(default_factory=dict)  # GvSEG R-50, where it can be compared
    info: Mapping[str, Any] = field(default_factory=dict)  # where the numbers come from, fit for JSON

    @property
    def is_whole(self) -> bool:
        """Whether every video is done."""
        return self.num_done == self.num_videos

    def as_json(self) -> str:
        """What --json writes: full precision, null for what is not defined."""
        scores = self.scores or Scores({})
        told = {
            "bench": self.bench.benchmark.name,
            "task": self.bench.benchmark.task,
            "unit": self.bench.scoring.unit,
            "metrics": scores.metrics,
            "details": scores.details,
            "variants": scores.variants,
            "published": self.published,
            "info": {"gvseg": __version__, "videos": self.num_videos, **self.info, "notes": list(self.notes)},
        }
        if self.hidden:
            told["hidden"] = self.hidden
        return json.dumps(_plain(told), indent=1, allow_nan=False)

    def with_json(self, path: Path, overwrite: bool) -> Evaluated:
        """Write the same to a file, which then is one of the outputs.

        Raises:
            OutputError: it exists and may not be replaced, or cannot be written.
        """
        with PartFile(path, overwrite) as part, writing(path):
            part.path.write_text(self.as_json() + "\n", encoding="ascii")
        return replace(self, outputs=(*self.outputs, path))


def comparable(bench: Bench, vocabulary: Vocabulary, settings: EvalSettings) -> Mapping[str, float]:
    """The published numbers; none beside a part of the videos, or a set of one's own in the same layout."""
    names, usual = ({plain(info.name) for info in v.classes} for v in (vocabulary, bench.benchmark.vocabulary))
    split = settings.split in {None, bench.benchmark.splits[0]}
    return bench.scoring.published if split and names == usual and not settings.videos else {}


def chosen(videos: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    """Those of `videos` that are wanted, in their own order; all, where none is named.

    Raises:
        UsageError: there is no video of that name; the nearest one is named.
    """
    for name in wanted:
        choose("video", dict.fromkeys(videos), name)
    return [video for video in videos if video in wanted] if wanted else videos


def _plain(value: Any) -> Any:
    """`value` as JSON has it: no numbers that are none, no arrays."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    return value if math.isfinite(value) else None
