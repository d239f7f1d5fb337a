"""What the details of a benchmark's scores say of each class or object, found by the official programs' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gvseg_core.sinks.report.numbers import is_defined
from gvseg_core.types import Vocabulary


@dataclass(frozen=True, slots=True)
class Breakdown:
    """One score of many classes or objects."""

    title: str
    rows: tuple[tuple[str, float], ...]  # label and value, the highest first
    scale: float  # to per cent


@dataclass(frozen=True, slots=True)
class _Place:
    """Where such a score lies in `Scores.details`."""

    title: str
    path: tuple[str, ...]  # to the mapping by class or object
    value: str = ""  # the key of the score in each entry; "" where the entry is the score
    keys: str = "labels"  # what the mapping is by
    scale: float = 100.0


_VOID = "void"
_PLACES = (
    _Place("AP by class", ("per_category",), "AP", "dataset ids"),
    _Place("IoU by class", ("per_class_IoU",), keys="class ids"),
    _Place("PQ by class, single frames", ("VPQ_windows", "1", "per_class"), "pq", "dataset ids"),
    _Place("IoU by class", ("STQ", "per_class_IoU"), keys="dataset ids"),
    _Place("HOTA by class", ("per_class",), "HOTA", scale=1.0),
    _Place("J by object", ("per_object",), "J"),
    _Place("F by object", ("per_object",), "F"),
)


def breakdowns(details: Mapping[str, Any], vocabulary: Vocabulary) -> list[Breakdown]:
    """All that there are; classes for which a score is not defined are left out."""
    label = _labels(vocabulary)
    found = []
    for place in _PLACES:
        rows = [
            (label[place.keys](str(key)), value)
            for key, entry in _at(details, place.path).items()
            for value in [entry.get(place.value) if place.value and isinstance(entry, Mapping) else entry]
            if is_defined(value)
        ]
        if rows:
            rows.sort(key=lambda row: (-row[1], row[0]))
            found.append(Breakdown(place.title, tuple(rows), place.scale))
    return found


def _at(details: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[Any, Any]:
    here: Any = details
    for key in path:
        by_text = {str(k): v for k, v in here.items()} if isinstance(here, Mapping) else {}
        here = by_text.get(key)
    return here if isinstance(here, Mapping) else {}


def _labels(vocabulary: Vocabulary) -> dict[str, Callable[[str], str]]:
    """By what a mapping is by: from its keys to names; STQ lists void, predicted where there is a class, as a class."""
    by_dataset = {str(info.dataset_id): info.name for info in vocabulary.classes}
    by_class = {str(i): info.name for i, info in enumerate(vocabulary.classes)}
    return {
        "labels": lambda key: key,
        "dataset ids": lambda key: by_dataset.get(key, _VOID),
        "class ids": lambda key: by_class.get(key, _VOID),
    }
