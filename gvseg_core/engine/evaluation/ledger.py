"""What an evaluation has done so far, kept beside its results, so that an interrupted run goes on where it stopped.

`DIR/.gvseg-eval/run.json` says which run it is; `DIR/.gvseg-eval/videos/…npz`, one a video, hold what the metrics keep
of it, and stand for "its results are written". Each file appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from gvseg_core.engine.evaluation.scoring import Kept
from gvseg_core.errors import OutputError
from gvseg_core.files import PartFile, printable, set_aside, writing
from gvseg_core.sinks.official import WORK_FOLDER, VideoFacts
from gvseg_core.types import FrameResult

_FACTS = "facts"  # in an entry, beside `metric/key`: all that is no array, as JSON


@dataclass(frozen=True, slots=True)
class Entry:
    """A video that is done."""

    kept: Kept  # by the metrics; empty where truth is hidden
    facts: VideoFacts  # for the files of all videos
    middle: FrameResult | None = None  # of the video, to look at; not kept from one run to the next


class Ledger:
    """The book of one run in `folder`, which is made by `open`.

    Args:
        folder: where results are written.
        run: all that results depend on, as JSON takes it.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = folder
        self._book = folder / WORK_FOLDER
        self._run: dict[str, Any] = json.loads(json.dumps(run))

    def open(self, overwrite: bool) -> Path | None:
        """Begin, or go on with what the same run has done before.

        Args:
            overwrite: whether what another run left in the folder may make way.

        Returns:
            Where that has been moved; None where there was nothing.

        Raises:
            OutputError: the folder holds something else, or cannot be written.
        """
        found, moved = self._found(), None
        if found != self._run and self._holds_something():
            if not overwrite:
                raise OutputError(f"{printable(self.folder)} {self._why_not(found)}; -y to move them to NAME.old")
            moved = set_aside(self.folder)
        with writing(self.folder):
            (self._book / "videos").mkdir(parents=True, exist_ok=True)
        if found != self._run:
            with PartFile(self._book / "run.json", overwrite=True) as part, writing(part.target):
                part.path.write_text(json.dumps(self._run, indent=1), encoding="utf-8")
        return moved

    def read(self, video: str) -> Entry | None:
        """What is known of a video; None where it has not been done, or its entry is damaged."""
        try:
            with np.load(self._entry(video), allow_pickle=False) as arrays:
                facts = json.loads(bytes(arrays[_FACTS]))
                kept: dict[str, dict[str, Any]] = {metric: {} for metric in facts.pop("metrics")}
                for name in arrays.files:
                    metric, slash, key = name.partition("/")
                    if slash:
                        kept[metric][key] = arrays[name]
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            return None
        given = facts.pop("object_ids")
        return Entry(
            kept,
            VideoFacts(
                **facts | {"size": tuple(facts["size"]), "frames": tuple(facts["frames"])},
                object_ids=None if given is None else frozenset(given),
            ),
        )

    def write(self, video: str, entry: Entry) -> None:
        """Note that a video is done; its results have been written before.

        Raises:
            OutputError: it cannot be written.
        """
        facts = asdict(entry.facts) | {"metrics": list(entry.kept)}
        facts["object_ids"] = None if entry.facts.object_ids is None else sorted(entry.facts.object_ids)
        arrays = {f"{metric}/{key}": value for metric, partial in entry.kept.items() for key, value in partial.items()}
        arrays[_FACTS] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        with PartFile(self._entry(video), overwrite=True) as part, writing(part.target), part.path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def _entry(self, video: str) -> Path:
        """A name that every file system takes, and that no two videos share."""
        name = quote(video, safe="")[:80]
        return self._book / "videos" / f"{name}.{hashlib.sha256(video.encode()).hexdigest()[:12]}.npz"

    def _found(self) -> Any:
        """The run whose book lies in the folder; None where there is none that can be read."""
        try:
            return json.loads((self._book / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _holds_something(self) -> bool:
        with writing(self.folder):
            return self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir()))

    def _why_not(self, found: Any) -> str:
        if not isinstance(found, dict):
            return "holds files that no evaluation of gvseg wrote"
        names = [name for name in self._run if found.get(name) != self._run[name]]
        return f"holds results of another run ({', '.join(names) or 'an older one'} differ)"
