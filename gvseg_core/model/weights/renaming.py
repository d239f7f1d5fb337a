"""From another code base's weight names to ours and back, by a table of two columns.

A row is `their.name  our.name`. Both may hold
  `{i}`            a number, the same on both sides; `{i+1}` is a number one higher there than here,
  `{wb}`           `weight` or `bias`,
  `{bn}`           the four tensors of a batch norm,
  `{q|k|v}`        (theirs only) parts that are one tensor here, joined along the rows in this order.
Nothing is dropped in silence: what no row knows, and what is half there, is returned by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gvseg_core.errors import ModelError

SUFFIXES = {"wb": "weight|bias", "bn": "weight|bias|running_mean|running_var"}
TOKEN = re.compile(r"\{([\w|]+)([+-]\d+)?\}")


@dataclass(frozen=True)
class Rule:
    """One row: their name, our name, and what is done to the tensor on the way."""

    theirs: str
    ours: str
    change: Callable[[Tensor], Tensor] | None = None
    parts: tuple[str, ...] = field(init=False, default=())
    pattern: re.Pattern[str] = field(init=False, repr=False)
    our_pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = next((token[1].split("|") for token in TOKEN.finditer(self.theirs) if "|" in token[1]), [])
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "pattern", _pattern(self.theirs))
        object.__setattr__(self, "our_pattern", _pattern(self.ours))

    def apply(self, name: str) -> tuple[str, str | None] | None:
        """Our name and, where several make one, which part it is; None where the row is not meant."""
        found = self.pattern.fullmatch(name)
        if found is None:
            return None
        values = found.groupdict()
        for token, offset in TOKEN.findall(self.theirs):
            if offset:
                values[token] = str(int(values[token]) - int(offset))
        return TOKEN.sub(lambda token: values[token[1]], self.ours), values.get("part")

    def back(self, name: str) -> tuple[str, ...] | None:
        """Their name of our tensor, or those of its parts in order; None where the row is not meant."""
        found = self.our_pattern.fullmatch(name)
        if found is None:
            return None
        values = found.groupdict()

        def theirs(part: str) -> str:
            def value(token: re.Match[str]) -> str:
                if "|" in token[1]:
                    return part
                return str(int(values[token[1]]) + int(token[2])) if token[2] else values[token[1]]

            return TOKEN.sub(value, self.theirs)

        return tuple(theirs(part) for part in self.parts or ("",))


def _pattern(names: str) -> re.Pattern[str]:
    """What a column of the table matches, a group for each token."""
    pieces, end = [], 0
    for token in TOKEN.finditer(names):
        name = token[1]
        pieces.append(re.escape(names[end : token.start()]))
        pieces.append(f"(?P<part>{name})" if "|" in name else f"(?P<{name}>{SUFFIXES.get(name, '[0-9]+')})")
        end = token.end()
    return re.compile("".join([*pieces, re.escape(names[end:])]))


def table(rows: str, theirs: str = "", ours: str = "") -> tuple[Rule, ...]:
    """The rules of a text of two columns; `theirs` and `ours` go before every name of their column."""
    pairs = [line.split() for line in rows.strip().splitlines() if line.strip()]
    return tuple(Rule(theirs + left, ours + right) for left, right in pairs)


@dataclass(frozen=True)
class Renamed:
    """What became of a file's tensors."""

    state: dict[str, Tensor]
    unknown: tuple[str, ...]  # their names that no row knows, and parts whose siblings are missing


def rename(tensors: Mapping[str, Tensor], rules: Iterable[Rule], where: str) -> Renamed:
    """Every tensor under our name.

    Raises:
        ModelError: two tensors of the file claim the same name here.
    """
    rules = tuple(rules)
    state: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    parts: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        hit = next(((rule, found) for rule in rules if (found := rule.apply(name)) is not None), None)
        if hit is None:
            unknown.append(name)
            continue
        rule, (target, part) = hit
        if part is not None:
            parts.setdefault((target, rule.parts), {})[part] = name
            continue
        if target in state:
            raise ModelError(f"{where}: {origin[target]!r} and {name!r} are both {target!r}; is it two models in one?")
        origin[target] = name
        state[target] = tensor if rule.change is None else rule.change(tensor)
    for (target, wanted), names in parts.items():
        joinable = len(names) == len(wanted) and len({tensors[name].shape[1:] for name in names.values()}) == 1
        if not joinable or target in state:
            unknown += names.values()
        else:
            state[target] = torch.cat([tensors[names[part]] for part in wanted])
    return Renamed(state, tuple(unknown))


def rename_back(state: Mapping[str, Tensor], rules: Iterable[Rule], where: str) -> dict[str, Tensor]:
    """Every tensor of ours under their name, by the first row that knows it; what is in parts there is cut into them.

    Raises:
        ModelError: tensors that no row knows.
    """
    rules = tuple(rules)
    tensors: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in state.items():
        found = next(((rule, names) for rule in rules if (names := rule.back(name)) is not None), None)
        if found is None:
            unknown.append(name)
            continue
        rule, names = found
        assert rule.change is None, "a tensor that was changed on its way here has no way back"
        tensors |= zip(names, tensor.chunk(len(names)), strict=True)
    if unknown:
        raise ModelError(f"{where}: {len(unknown)} tensors have no place there: {some(unknown)}")
    return tensors


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first names and how many more there are, for a message."""
    listed = sorted(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
