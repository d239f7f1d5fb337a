"""Where the files of a set lie: opened by the set's name, or recognised by what is in the folder (`auto`).

Benchmarks are opened as `eval` opens them; here are the sets that are for training alone, and one's own data in any
layout that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gvseg_core.data.benchmarks import BENCHMARKS
from gvseg_core.data.finding import TITLES, Form, find_annotations, find_maps, find_pictures
from gvseg_core.data.synth_videos import parse_synth
from gvseg_core.data.training.coco_stills import coco_instances, coco_panoptic
from gvseg_core.data.training.footage import TEACHES, BenchmarkVideos
from gvseg_core.data.training.rendered import RenderedVideos
from gvseg_core.data.training.stills import region_maps
from gvseg_core.data.training.videos import TrainingVideos
from gvseg_core.errors import DataError
from gvseg_core.recipes import SourceSettings
from gvseg_core.registry import choose
from gvseg_core.types import TaskName

_RENDERED = 4096  # videos of `synth`, unless its settings say otherwise

Open = Callable[[SourceSettings, Path], TrainingVideos]
"""Settings and the folder → the set."""


def open_videos(settings: SourceSettings, root: Path, task: TaskName) -> TrainingVideos:
    """A set by its name and place.

    Args:
        root: what `--data` says.
        task: what it is to teach; where a folder holds several forms of labels, it chooses.

    Raises:
        UsageError: no set of that name.
        DataError: something is missing; it says what, and where it was looked for.
    """
    names = {name: name for name in (*BENCHMARKS, *OWN, "auto", "synth")}
    name = choose("set", names, settings.benchmark)
    if name == "synth":
        return _rendered(settings)
    folder = _folder(settings, root)
    if name == "auto":
        layout = recognise(folder, settings.split, task)
        videos = layout.open(settings, folder)
        videos.notes = (*videos.notes, f"{folder}: taken as {layout.title}, for it has {layout.marks}")
        return videos
    return OWN[name](settings, folder) if name in OWN else _benchmark(name, settings, folder)


def _folder(settings: SourceSettings, root: Path) -> Path:
    """Where a set lies: its `path`; or the folder of its name below the root; or the root itself."""
    named = root / settings.benchmark
    folder = root / settings.path if settings.path is not None else named if named.exists() else root
    if not folder.exists():
        raise DataError(f"{folder} does not exist; --data is the folder of the sets, `path` a set's place in it")
    return folder


def _benchmark(name: str, settings: SourceSettings, folder: Path) -> TrainingVideos:
    return BenchmarkVideos(name, folder, settings.split)


def _rendered(settings: SourceSettings) -> TrainingVideos:
    """Its `path` is no path: it has settings, as `--data` has for the benchmark `synth`."""
    spec = settings.path or ""
    many = "" if "videos=" in spec else f"videos={_RENDERED}"
    return RenderedVideos(parse_synth(",".join(filter(None, (many, spec)))), settings.split)


def _coco(form: Form, settings: SourceSettings, folder: Path) -> TrainingVideos:
    path = find_annotations(folder, settings.split, form)
    if path is None:
        raise DataError(f"{folder}: no JSON of {TITLES[form]} of {settings.split} in it, nor in its `annotations`")
    if settings.pictures is not None:
        pictures = folder / settings.pictures
        if not pictures.is_dir():
            raise DataError(f"{pictures}: `pictures` is no folder")
    else:
        pictures = find_pictures(path, folder, settings.split)
    return (
        coco_instances(path, pictures)
        if form == "instances"
        else coco_panoptic(path, find_maps(path, folder), pictures)
    )


def _regions(settings: SourceSettings, folder: Path) -> TrainingVideos:
    return region_maps(folder, settings.split)


OWN: Mapping[str, Open] = {
    "coco": partial(_coco, "instances"),
    "coco_panoptic": partial(_coco, "panoptic"),
    "regions": _regions,
}
"""Sets that are for training alone."""


# --- one's own data -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """How the files of a set may lie."""

    title: str
    marks: str  # what it is known by
    tasks: frozenset[TaskName]
    is_here: Callable[[Path, str], bool]  # (folder, split)
    open: Open


def _has(*patterns: str) -> Callable[[Path, str], bool]:
    """Whether the folder, or its folder of the split's name, has something for each pattern.

    A pattern may be several, of which one is enough, with | between them; SPLIT in it is the split.
    """

    def is_here(folder: Path, split: str) -> bool:
        def is_there(place: Path, pattern: str) -> bool:
            choices = pattern.replace("SPLIT", split).split("|")
            return any(next(place.glob(choice), None) is not None for choice in choices)

        return any(all(is_there(place, pattern) for pattern in patterns) for place in (folder, folder / split))

    return is_here


def _is(form: Form) -> Callable[[Path, str], bool]:
    return lambda folder, split: find_annotations(folder, split, form) is not None


def _layout(title: str, marks: str, task: TaskName, is_here: Callable[[Path, str], bool], open_: Open) -> Layout:
    return Layout(title, marks, TEACHES[task], is_here, open_)


LAYOUTS: tuple[Layout, ...] = (
    _layout(
        "DAVIS layout",
        "JPEGImages, Annotations and ImageSets",
        "evs",
        _has("JPEGImages/*", "Annotations/*", "ImageSets/*"),
        partial(_benchmark, "davis17"),
    ),
    _layout(
        "YouTube-VOS layout",
        "JPEGImages, Annotations and meta.json",
        "evs",
        _has("JPEGImages/*", "Annotations/*", "meta.json"),
        partial(_benchmark, "ytvos18"),
    ),
    _layout(
        "VIPSeg layout",
        "panomasks and a list or JSON of the split",
        "vps",
        _has("panomasks*/*", "SPLIT.txt|panoptic_gt*SPLIT.json"),
        partial(_benchmark, "vipseg"),
    ),
    _layout(
        "VSPW layout",
        "data/<video>/mask and a list of the split",
        "vss",
        _has("data/*/mask/*", "SPLIT.txt"),
        partial(_benchmark, "vspw"),
    ),
    _layout(TITLES["videos"], "a JSON of videos", "vis", _is("videos"), partial(_benchmark, "ytvis21")),
    _layout(TITLES["instances"], "a JSON of images with segmentations", "vis", _is("instances"), OWN["coco"]),
    _layout(TITLES["panoptic"], "a JSON of images with segments_info", "vps", _is("panoptic"), OWN["coco_panoptic"]),
    _layout("region maps", "images and regions", "evs", _has("images/*", "regions/*.png"), OWN["regions"]),
)
"""In the order in which they are looked for."""


def recognise(folder: Path, split: str, task: TaskName) -> Layout:
    """The layout of a folder that can teach a task.

    Raises:
        DataError: none; it says what was found, or what is wanted.
    """
    for layout in LAYOUTS:
        if task in layout.tasks and layout.is_here(folder, split):
            return layout
    here = [layout for layout in LAYOUTS if task not in layout.tasks and layout.is_here(folder, split)]
    if here:
        found = "; ".join(f"{layout.title}, for {', '.join(sorted(layout.tasks))}" for layout in here)
        raise DataError(f"{folder}: found {found}; none of it teaches {task}")
    wanted = "; ".join(f"{layout.marks} ({layout.title})" for layout in LAYOUTS if task in layout.tasks)
    raise DataError(f"{folder}: nothing of {split} in it that is known; to teach {task}, wanted one of: {wanted}")
