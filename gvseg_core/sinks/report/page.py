"""The report of an evaluation: one HTML file with nothing outside itself, no script, for screen and paper.

Numbers are per cent, as papers print them; the exact ones, in the units of the official programs, are in the JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gvseg_core.files import PartFile, writing
from gvseg_core.sinks.report.breakdown import Breakdown, breakdowns
from gvseg_core.sinks.report.markup import Html, tag
from gvseg_core.sinks.report.numbers import DASH, bar, is_defined, shown
from gvseg_core.sinks.report.scenes import Scene, scene_figures
from gvseg_core.sinks.report.style import CSS
from gvseg_core.types import Scores, TaskName, Vocabulary

FILE = "index.html"

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class ReportPage:
    """Everything a report may show; what is empty is left out."""

    title: str  # of the benchmark, as people write it
    scores: Scores
    vocabulary: Vocabulary
    task: TaskName
    headline: Sequence[str] = ()  # keys of `scores.metrics` that stand first, with bars; () is all
    percent: Collection[str] = ()  # keys of `scores.metrics` that are per cent already; the others are shares of 1
    published: Mapping[str, float] = field(default_factory=dict)  # by key of `scores.metrics`, in its unit
    published_by: str = "published"  # whose they are
    per_video: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # video → name of a score → share of 1
    scenes: Sequence[Scene] = ()  # the worst videos, worst first
    facts: Mapping[str, str] = field(default_factory=dict)  # model, data, settings, version …, in words
    notes: Sequence[str] = ()  # one line each

    def scale(self, key: str) -> float:
        """What makes per cent of a metric."""
        return 1.0 if key in self.percent else 100.0


def write_report(folder: Path, page: ReportPage, *, overwrite: bool = False) -> Path:
    """Write `index.html` into a folder, which is made when it is missing; it appears whole or not at all.

    Raises:
        OutputError: it exists and is not to be replaced, or cannot be written.
    """
    target = folder / FILE
    with PartFile(target, overwrite) as part, writing(target), part.path.open("wb") as file:
        for piece in render(page):
            file.write(piece.encode() + b"\n")
    return target


def render(page: ReportPage) -> Iterator[str]:
    """The page, piece by piece: pictures are large."""
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{page.title}: gvseg"),
        tag("style", Html(CSS)),
    )
    yield "<body>"
    yield tag("header", tag("h1", page.title), tag("p", "All numbers in per cent.", class_="faint"))
    yield from _headline(page)
    yield from _notes(page.notes)
    for breakdown in breakdowns(page.scores.details, page.vocabulary):
        yield _section(breakdown.title, [_bars(breakdown)])
    if page.scenes:
        yield _section("The worst videos", scene_figures(page.scenes, page.vocabulary, page.task))
    if page.per_video:
        yield _section("Videos, from the worst", [_videos(page.per_video)])
    yield from _others(page)
    if page.facts:
        yield _section("How it was made", [_list(page.facts)])
    yield "</body>"
    yield "</html>"


def _section(title: str, content: Sequence[Html] | Iterator[Html]) -> Html:
    return tag("section", tag("h2", title), content)


def _headline(page: ReportPage) -> Iterator[Html]:
    """The numbers that people look for, beside those that were published."""
    beside = bool(page.published)
    names = ["metric", "result", *([page.published_by, "difference"] if beside else []), ""]
    rows = []
    for key in page.headline or page.scores.metrics:
        value, scale = page.scores.metrics.get(key), page.scale(key)
        published = page.published.get(key)
        cells = [tag("td", key), tag("td", shown(value, scale))]
        if beside:
            cells += [tag("td", shown(published, scale)), _difference(value, published, scale)]
        rows.append(tag("tr", cells, tag("td", bar(value, scale, published), class_="wide")))
    yield _table(names, rows, "headline")


def _difference(value: float | None, published: float | None, scale: float) -> Html:
    if not is_defined(value) or not is_defined(published):
        return tag("td", DASH)
    return tag("td", shown(value - published, scale, signed=True), class_="good" if value >= published else "bad")


def _notes(notes: Sequence[str]) -> Iterator[Html]:
    if notes:
        yield tag("ul", [tag("li", note) for note in notes])


def _bars(breakdown: Breakdown) -> Html:
    items = [
        tag(
            "li",
            tag("span", name, class_="name", title=name),
            bar(value, breakdown.scale),
            tag("span", shown(value, breakdown.scale), class_="value"),
        )
        for name, value in breakdown.rows
    ]
    return tag("ol", items, class_="bars")


def _videos(per_video: Mapping[str, Mapping[str, float]]) -> Html:
    """A row per video; the first score orders them, those without one last."""
    names = list(dict.fromkeys(name for scores in per_video.values() for name in scores))

    def order(video: str) -> tuple[bool, float, str]:
        first = per_video[video].get(names[0]) if names else None
        return not is_defined(first), first if is_defined(first) else 0.0, video

    rows = []
    for video in sorted(per_video, key=order):
        values = [per_video[video].get(name) for name in names]
        cells = [tag("td", video), *(tag("td", shown(value)) for value in values)]
        rows.append(tag("tr", cells, tag("td", bar(values[0] if values else None), class_="wide")))
    return _table(["video", *names, ""], rows)


def _others(page: ReportPage) -> Iterator[Html]:
    """The metrics that are not in the headline, and those under other definitions."""
    groups, note = [], []
    rest = {key: value for key, value in page.scores.metrics.items() if page.headline and key not in page.headline}
    if rest:
        groups.append(_group("Further metrics", {key: shown(value, page.scale(key)) for key, value in rest.items()}))
    variants = [group for name, variant in page.scores.variants.items() for group in _leaves(name, variant)]
    if variants:
        note.append(tag("p", "Other definitions are in units of their own, as in the JSON.", class_="faint"))
        groups += [_group(title, numbers) for title, numbers in variants]
    if groups:
        yield _section("Further metrics and other definitions", [*note, tag("div", groups, class_="groups")])


def _leaves(name: str, variant: Any) -> Iterator[tuple[str, dict[str, str]]]:
    """The plain numbers of a variant, group by group, as they are: their units are the variant's own."""
    if not isinstance(variant, Mapping):
        return
    numbers = {str(key): f"{value:.4g}" for key, value in variant.items() if is_defined(value)}
    if numbers:
        yield name, numbers
    for key, value in variant.items():
        if not str(key).startswith("per_"):
            yield from _leaves(f"{name}: {key}", value)


def _group(title: str, numbers: Mapping[str, str]) -> Html:
    return tag("section", tag("h3", title), _list(numbers))


def _list(entries: Mapping[str, str]) -> Html:
    return tag("dl", [part for key, value in entries.items() for part in (tag("dt", key), tag("dd", value))])


def _table(names: Sequence[str], rows: Sequence[Html], class_: str | None = None) -> Html:
    head = tag("thead", tag("tr", [tag("th", name, scope="col") for name in names]))
    return tag("div", tag("table", head, tag("tbody", rows), class_=class_), class_="scroll")
