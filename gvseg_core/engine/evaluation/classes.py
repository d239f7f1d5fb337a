"""A model's classes in the words of a benchmark."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gvseg_core.errors import ModelError
from gvseg_core.types import Vocabulary


@dataclass(frozen=True, slots=True)
class Translation:
    """Which class of the benchmark each class of the model is."""

    ids: tuple[int | None, ...]  # by the model's class id; None where the benchmark has no such class
    num_classes: int  # of the benchmark

    @property
    def num_known(self) -> int:
        """Classes of the benchmark that the model has."""
        return len(set(self.ids) - {None})

    def note(self, model: Vocabulary, benchmark: Vocabulary) -> str:
        """What is missing, one line; empty where the model knows every class."""
        if self.num_known == self.num_classes:
            return ""
        lacking = [c.name for i, c in enumerate(benchmark.classes) if i not in self.ids]
        more = f", … ({len(lacking)} in all)" if len(lacking) > 3 else ""
        return (
            f"the model knows {self.num_known} of the benchmark's {self.num_classes} classes ({model.name}); "
            f"it cannot find {', '.join(lacking[:3])}{more}"
        )


def translate(model: Vocabulary, benchmark: Vocabulary) -> Translation:
    """The model's classes as the benchmark's: place by place where the names are the same, else by name.

    Names count as equal when their letters and digits are, in either case and up to the first of several synonyms:
    `Giant_panda` is `giant panda`, `cow, moo-cow` is `cow`.

    Raises:
        ModelError: not one class is common to both.
    """
    names = [plain(info.name) for info in model.classes]
    wanted = [plain(info.name) for info in benchmark.classes]
    if names == wanted:
        return Translation(tuple(range(len(names))), len(wanted))
    place = {name: class_id for class_id, name in reversed(list(enumerate(wanted)))}
    translation = Translation(tuple(place.get(name) for name in names), len(wanted))
    if not translation.num_known:
        raise ModelError(
            f"the model's {len(model)} classes ({model.name}: {_first(model)}) are none of the {len(benchmark)} of "
            f"{benchmark.name} ({_first(benchmark)}); --vocabulary names the set they are of"
        )
    return translation


def num_common(model: Vocabulary, benchmark: Vocabulary) -> int:
    """How many classes of the benchmark the model has, by names that count as equal."""
    return len({plain(info.name) for info in model.classes} & {plain(info.name) for info in benchmark.classes})


def plain(name: str) -> str:
    """The first of several synonyms, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", re.split("[,;]", name.lower())[0])


def _first(vocabulary: Vocabulary) -> str:
    return ", ".join(info.name for info in vocabulary.classes[:3]) + (" …" if len(vocabulary) > 3 else "")
