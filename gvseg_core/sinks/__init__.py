"""Where results go: one file per way out, and here the words by which `--save` calls them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gvseg_core.errors import UsageError
from gvseg_core.registry import choose
from gvseg_core.sinks.base import Target
from gvseg_core.sinks.coco_video import CocoVideoJson
from gvseg_core.sinks.contact import ContactSheet
from gvseg_core.sinks.panoptic import PanopticJson, PanopticPng
from gvseg_core.sinks.png import BinaryMasks, ClassPng, ObjectPng
from gvseg_core.sinks.settings import SinkSettings
from gvseg_core.sinks.text import CsvTable, JsonLines, MotsText
from gvseg_core.sinks.video import AlphaVideo, OverlayVideo
from gvseg_core.types import Sink, TaskName

Builder = Callable[[Target, SinkSettings], Sink]


def _all_tasks(builder: Builder) -> Mapping[TaskName, Builder]:
    return {"vis": builder, "vss": builder, "vps": builder, "evs": builder}


SINKS: dict[str, Mapping[TaskName, Builder]] = {
    "video": _all_tasks(OverlayVideo),
    "json": {"vis": CocoVideoJson, "vss": CocoVideoJson, "vps": PanopticJson, "evs": CocoVideoJson},
    "png": {"vis": ObjectPng, "vss": ClassPng, "vps": PanopticPng, "evs": ObjectPng},
    "masks": _all_tasks(BinaryMasks),
    "alpha": _all_tasks(AlphaVideo),
    "csv": _all_tasks(CsvTable),
    "mots": {"vis": MotsText, "vps": MotsText, "evs": MotsText},
    "contact": _all_tasks(ContactSheet),
}
SUFFIXES = {
    "video": ".mp4",
    "json": ".json",
    "png": ".png",  # of a folder, as is .masks
    "masks": ".masks",
    "alpha": ".alpha.mov",
    "csv": ".csv",
    "mots": ".mots.txt",
    "contact": ".contact.png",
}
FOLDERS = frozenset({"png", "masks"})
"""The words whose target is a folder; all others are one file, or a stream."""

_NAME_BYTES = 255


def sink_builder(word: str, task: TaskName) -> Builder:
    """What makes the sink that `--save` calls `word`.

    Raises:
        UsageError: there is none of that name, or not for this task.
    """
    by_task = choose("kind of result", SINKS, word)
    if task not in by_task:
        raise UsageError(f"--save {word} does not go with --task {task}, only with {', '.join(by_task)}")
    return by_task[task]


def make_sink(word: str, target: Target, settings: SinkSettings) -> Sink:
    """The sink that `--save` calls `word`, writing to `target`.

    Raises:
        UsageError: there is none of that name, not for this task, or many files were to go to one stream.
        OutputError: it draws, and OpenCV cannot be loaded.
    """
    return sink_builder(word, settings.task)(target, settings)


def output_paths(task: TaskName, stem: str, words: Iterable[str]) -> dict[str, Path]:
    """The names of the results of one input: `clip.vis.mp4`, `clip.vis.json`, `clip.vis.masks` …

    Args:
        stem: the input's name without its suffix; it is cut where a result's name would be longer than names may be.
    """
    paths = {}
    for word in words:
        end = f".{task}{choose('kind of result', SUFFIXES, word)}"
        start = stem
        while len(os.fsencode(start + end)) > _NAME_BYTES:
            start = start[:-1]
        paths[word] = Path(start + end)
    return paths


__all__ = ["FOLDERS", "SINKS", "SUFFIXES", "JsonLines", "SinkSettings", "make_sink", "output_paths", "sink_builder"]
