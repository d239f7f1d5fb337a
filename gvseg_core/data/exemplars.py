"""Exemplars from the command line: masks, boxes and points that say which objects to follow, and from which frame.

Forms: `first.png`, `12:mask.png` (given at frame 12), a folder of PNGs named by frame number, `box:x,y,w,h[@frame]`,
`point:x,y[@frame]`. What names no frame is given on the first frame there is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gvseg_core.data.exemplar_masks import WHITE, fitted, read_object_map
from gvseg_core.errors import DataError, UsageError
from gvseg_core.ops import rle
from gvseg_core.types import Box, Exemplar, Frame, Prompt, Size
from gvseg_core.video.inputs import natural_key

FIRST = -1  # stands for the first frame that comes, whatever its index: a range may have been asked for
MAX_OBJECTS = 254  # what palette PNG can name: 0 is background, 255 void
FORMS = "mask.png, 12:mask.png, a folder of masks, box:x,y,w,h[@frame] or point:x,y[@frame]"


@dataclass
class Exemplars:
    """Everything pointed at in one video."""

    by_frame: dict[int, Exemplar]  # by frame index, or FIRST
    notes: list[str] = field(default_factory=list)  # what had to be guessed or mended, a line each
    conflicts: list[str] = field(default_factory=list)  # what was given more than once, a line each


@dataclass(frozen=True, slots=True)
class _Given:
    """One object on one frame, before it has its final id."""

    frame: int
    name: int | str | None  # what its picture calls it, if anything: equal names are one object
    prompt: Prompt


def read_exemplars(specs: Sequence[str], size: Size) -> Exemplars:
    """Read every exemplar of one video.

    Ids of an indexed picture are kept; boxes, points and black-and-white masks get the next free ones, in order. Where
    two exemplars give the same id on the same frame, the later one counts.

    Args:
        specs: as typed, in one of `FORMS`, each.
        size: (H, W) of the video; a mask of another size but the same aspect is resized.

    Raises:
        UsageError: nothing given, not one of the forms, or a box or point that is not on the picture.
        DataError: a mask that cannot be read, does not fit the video, is empty or lossy; more than 254 objects.
    """
    if not specs:
        raise UsageError(f"--task evs needs to be shown its objects: --exemplar {FORMS}")
    notes: list[str] = []
    conflicts: list[str] = []
    given: list[_Given] = []
    for spec in specs:
        given += _read(spec, size, notes)
    ids = _track_ids(given, notes)
    by_frame: dict[int, dict[int, Prompt]] = {}
    for track_id, one in zip(ids, given, strict=True):
        prompts = by_frame.setdefault(one.frame, {})
        if track_id in prompts:
            where = _frame_name(one.frame)
            conflicts.append(f"--exemplar: object {track_id} is given twice on {where}; the later counts")
        prompts[track_id] = replace(one.prompt, track_id=track_id)
    return Exemplars({frame: Exemplar(tuple(p.values())) for frame, p in sorted(by_frame.items())}, notes, conflicts)


def with_exemplars(frames: Iterable[Frame], by_frame: dict[int, Exemplar]) -> Iterator[Frame]:
    """The frames, each with what is given on it and nothing else.

    Raises:
        UsageError: an exemplar's frame has been passed over, or the frames have ended before it.
    """
    waiting = dict(by_frame)
    index = None
    for frame in frames:
        prompts = [] if index is not None or FIRST not in waiting else [*waiting.pop(FIRST).prompts]
        index = frame.index
        if index in waiting:
            taken = {prompt.track_id for prompt in waiting[index].prompts}
            prompts = [p for p in prompts if p.track_id not in taken] + [*waiting.pop(index).prompts]
        if waiting and min(waiting) < index:
            break
        yield replace(frame, exemplar=Exemplar(tuple(prompts)) if prompts else None)
    if waiting:
        seen = "there is no frame at all" if index is None else f"it is not among the frames read, up to {index}"
        raise UsageError(f"--exemplar for {_frame_name(min(waiting))}: {seen}; see --start, --end and --stride")


def _read(spec: str, size: Size, notes: list[str]) -> list[_Given]:
    kind, colon, rest = spec.partition(":")
    if colon and kind in {"box", "point"}:
        values, at, frame = rest.partition("@")
        if at and not re.fullmatch(r"\d+", frame):
            raise UsageError(f"--exemplar {spec}: {frame!r} after @ is not a frame's number, as in {kind}:…@12")
        prompt = _box(spec, values, size, notes) if kind == "box" else _point(spec, values, size)
        return [_Given(int(frame) if at else FIRST, None, prompt)]
    path, frame_index = (Path(rest), int(kind)) if colon and re.fullmatch(r"\d+", kind) else (Path(spec), FIRST)
    if path.is_dir():
        if frame_index != FIRST:
            raise UsageError(f"--exemplar {spec}: a folder's masks are named by their frames; leave out '{kind}:'")
        return [one for frame, file in _numbered(path) for one in _masks(file, frame, size, notes, path)]
    if not path.exists():
        raise UsageError(f"--exemplar {spec}: no such file; wanted {FORMS}")
    return _masks(path, frame_index, size, notes, path)


def _numbers(spec: str, text: str, names: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(names.split(",")) or not all(map(math.isfinite, numbers)):
        raise UsageError(f"--exemplar {spec}: wanted {names} as numbers, in pixels")
    return numbers


def _box(spec: str, text: str, size: Size, notes: list[str]) -> Prompt:
    x, y, width, height = _numbers(spec, text, "x,y,w,h")
    if width <= 0 or height <= 0:
        raise UsageError(f"--exemplar {spec}: width and height are {width:g} and {height:g}; wanted more than 0 pixels")
    box: Box = (max(x, 0), max(y, 0), min(x + width, size[1]), min(y + height, size[0]))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise UsageError(f"--exemplar {spec}: the box is not on the picture, which is {_size_name(size)}")
    if box != (x, y, x + width, y + height):
        notes.append(f"--exemplar {spec}: the box is cut off at the picture's edge, which is {_size_name(size)}")
    return Prompt(0, box=box)


def _point(spec: str, text: str, size: Size) -> Prompt:
    x, y = _numbers(spec, text, "x,y")
    if not (0 <= x < size[1] and 0 <= y < size[0]):
        raise UsageError(f"--exemplar {spec}: the point is not on the picture, which is {_size_name(size)}")
    return Prompt(0, point=(x, y))


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """The PNGs of a folder with the frame that the last number in each name means, in natural order."""
    found: dict[int, Path] = {}
    files = (p for p in folder.iterdir() if p.suffix.lower() == ".png" and not p.name.startswith("."))
    for path in sorted(files, key=lambda p: (natural_key(p.name), p.name)):
        numbers = re.findall(r"\d+", path.stem)
        if not numbers:
            raise DataError(f"{path}: no number in its name; a folder's masks are named by frame, as in 00012.png")
        frame = int(numbers[-1])
        if frame in found:
            raise DataError(f"{path}: frame {frame} has a mask already, {found[frame].name}")
        found[frame] = path
    if not found:
        raise DataError(f"{folder}: no PNG in it; wanted masks named by frame, as in 00012.png")
    return sorted(found.items())


def _masks(path: Path, frame: int, size: Size, notes: list[str], origin: Path) -> list[_Given]:
    objects = read_object_map(path)
    if objects.note:
        notes.append(objects.note)
    labels = fitted(objects.labels, size)
    if labels is None:
        found = _size_name((objects.labels.shape[0], objects.labels.shape[1]))
        raise DataError(f"{path}: the mask is {found}, the video {_size_name(size)}: another shape; was it cropped?")
    if labels.shape != objects.labels.shape:
        notes.append(f"{path}: the mask is resized to the video's {_size_name(size)}")
    masks = rle.encode_labels(labels)
    lost = objects.names.keys() - masks.keys()
    if not masks:
        raise DataError(f"{path}: resized to the video's {_size_name(size)}, nothing is left of its objects")
    if lost:
        notes.append(f"{path}: resized, nothing is left of {len(lost)} of its {len(objects.names)} objects")
    names = {label: str(origin) if name == WHITE else name for label, name in objects.names.items()}
    return [_Given(frame, names[label], Prompt(0, mask=mask)) for label, mask in masks.items()]


def _track_ids(given: Sequence[_Given], notes: list[str]) -> list[int]:
    """A final id for each: its own number where that can be one, else the next free."""
    ids: dict[int | str, int] = {n: n for one in given if isinstance(n := one.name, int) and n <= MAX_OBJECTS}
    free = iter(sorted({*range(1, MAX_OBJECTS + 1)} - {*ids.values()}))
    found = []
    for one in given:
        track_id = ids.get(one.name) if one.name is not None else None
        if track_id is None:
            track_id = next(free, None)
            if track_id is None:
                raise DataError(f"--exemplar: more than {MAX_OBJECTS} objects, which is all that palette PNG can name")
            if isinstance(one.name, int):
                notes.append(f"--exemplar: object {one.name} is called {track_id}: ids end at {MAX_OBJECTS}")
            if one.name is not None:
                ids[one.name] = track_id
        found.append(track_id)
    return found


def _frame_name(index: int) -> str:
    return "the first frame" if index == FIRST else f"frame {index}"


def _size_name(size: Size) -> str:
    return f"{size[1]} × {size[0]} pixels"
