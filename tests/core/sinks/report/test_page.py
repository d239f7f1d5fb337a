"""The report as a whole: what it shows, that it needs nothing else, and that nothing in it acts."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from gvseg_core.errors import OutputError
from gvseg_core.sinks.report import ReportPage, Scene, write_report
from gvseg_core.types import Scores
from tests.conftest import shared
from tests.core.sinks.report.test_markup import Seen
from tests.core.sinks.scenes import VOCABULARY, results

HOSTILE = "</td><script>alert(1)</script>\u202e\x1b[31m\"'&"
PAGE = ReportPage(
    "Toys, val",
    Scores(
        {"VPQ": 43.21, "STQ": 0.4567, "AQ": 0.25, "X": math.nan},
        {"per_category": {"11": {"AP": 0.25}, "12": {"AP": 0.5}}},
        {"other": {"VPQ": 44.5, "note": "text", "deeper": {"STQ": 0.5}, "per_object": {"a": {"J": 0.1}}}},
    ),
    VOCABULARY,
    "vis",
    headline=("VPQ", "STQ", "X"),
    percent={"VPQ"},
    published={"VPQ": 44.0, "STQ": 0.45},
    published_by="somebody, published",
    per_video={"ant": {"AP": 0.5, "AR": 0.75}, "bee": {"AP": 0.25}, "cow": {"AP": math.nan}},
    scenes=[Scene("bee", "00005", 0.25, *results("vis", 2))],
    facts={"model": "nano"},
    notes=("1 of 3 videos has no results",),
)


def written(page: ReportPage, folder: Path) -> str:
    return write_report(folder, page).read_text(encoding="utf-8")


def rows(page: str, section: str = "") -> list[list[str]]:
    """The cells of the tables in what follows the words `section`."""
    found = re.findall(r"<tr>(.*?)</tr>", page[page.index(section) :])
    return [
        [unescape(re.sub(r"<[^>]*>", "", cell)) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row)]
        for row in found
    ]


def test_the_headline_is_per_cent_beside_what_was_published(tmp_path: Path) -> None:
    assert rows(written(PAGE, tmp_path))[:4] == [
        ["metric", "result", "somebody, published", "difference", ""],
        ["VPQ", "43.2", "44.0", "−0.8", ""],
        ["STQ", "45.7", "45.0", "+0.7", ""],
        ["X", "–", "–", "–", ""],
    ]


def test_without_published_numbers_there_is_no_place_for_them(tmp_path: Path) -> None:
    page = written(replace(PAGE, published={}, headline=()), tmp_path)
    assert [row[0] for row in rows(page)[:5]] == ["metric", "VPQ", "STQ", "AQ", "X"]
    assert rows(page)[0] == ["metric", "result", ""]


def test_videos_come_from_the_worst_and_those_without_a_score_last(tmp_path: Path) -> None:
    assert rows(written(PAGE, tmp_path), "Videos, from the worst") == [
        ["video", "AP", "AR", ""],
        ["bee", "25.0", "–", ""],
        ["ant", "50.0", "75.0", ""],
        ["cow", "–", "–", ""],
    ]


def test_everything_given_is_shown(tmp_path: Path) -> None:
    page = written(PAGE, tmp_path)
    shown = Seen(page).text
    for words in ("Toys, val", "AP by class", "dog", "1 of 3 videos has no results", "AQ", "25.0", "nano"):
        assert words in shown
    for words in ("other", "44.5", "other: deeper", "0.5"):
        assert words in shown[shown.index("other definitions") :]
    assert "per_object" not in shown
    assert page.count("data:image/jpeg") == 2


def test_what_is_empty_is_left_out(tmp_path: Path) -> None:
    page = written(ReportPage("Bare", Scores({"AP": 0.5}), VOCABULARY, "vis"), tmp_path)
    assert "<h2>" not in page
    assert rows(page) == [["metric", "result", ""], ["AP", "50.0", ""]]


def test_the_page_needs_nothing_outside_itself(tmp_path: Path) -> None:
    page = written(PAGE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    elements = Seen(page).elements
    assert not {name for name, _ in elements} & {"script", "link", "iframe", "object", "embed", "form", "base", "a"}
    linked = [v for _, attributes in elements for k, v in attributes.items() if k in {"src", "href", "action", "data"}]
    assert linked
    assert all(value is not None and value.startswith("data:") for value in linked)
    assert not re.search(r"https?://|url\(|@import", page)
    policy = next(a["content"] for name, a in elements if name == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_names_from_outside_do_nothing(tmp_path: Path) -> None:
    info = replace(VOCABULARY.classes[0], name=HOSTILE)
    hostile = ReportPage(
        HOSTILE,
        Scores({HOSTILE: 0.5}, {"per_category": {"11": {"AP": 0.5}}}, {HOSTILE: {HOSTILE: 1.0}}),
        replace(VOCABULARY, classes=(info, *VOCABULARY.classes[1:])),
        "vis",
        published={HOSTILE: 0.5},
        published_by=HOSTILE,
        per_video={HOSTILE: {HOSTILE: 0.5}},
        scenes=[Scene(HOSTILE, HOSTILE, 0.25, *results("vis", 2))],
        facts={HOSTILE: HOSTILE},
        notes=(HOSTILE,),
    )
    page = written(hostile, tmp_path)
    assert "script" not in {name for name, _ in Seen(page).elements}
    assert not set(page) & {"\u202e", "\x1b"}
    plain = {**vars(PAGE), "published_by": "x"}
    bare = written(ReportPage(**plain), tmp_path / "plain")
    assert {name for name, _ in Seen(page).elements} <= {name for name, _ in Seen(bare).elements}


def test_the_same_scores_make_the_same_page(tmp_path: Path) -> None:
    assert written(PAGE, tmp_path / "a") == written(PAGE, tmp_path / "b")


def test_every_element_is_closed(tmp_path: Path) -> None:
    page = written(PAGE, tmp_path)
    for name in ("html", "head", "body", "section", "table", "tr", "td", "svg", "ol", "li", "dl", "figure", "div"):
        assert len(re.findall(rf"<{name}[ >]", page)) == page.count(f"</{name}>"), name
    assert page.count("<rect") == len(re.findall(r"<rect[^>]*/>", page))  # else the browser nests bars


def test_a_report_is_replaced_only_when_that_was_asked_for(tmp_path: Path) -> None:
    target = write_report(tmp_path / "new", PAGE)
    target.write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        write_report(tmp_path / "new", PAGE)
    assert target.read_text() == "precious"
    write_report(tmp_path / "new", PAGE, overwrite=True)
    assert target.read_text().startswith("<!DOCTYPE html>")


def test_a_failure_midway_leaves_nothing(tmp_path: Path) -> None:
    broken = replace(PAGE, scenes=[*PAGE.scenes, Scene("x", "0", 0.5, None, None)])  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        write_report(tmp_path / "new", broken)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "case",
    ["ytvis/basic", "ovis/basic", "vspw/edge", "vipseg/edge", "kitti_step/edge", "davis/long", "burst/open_world"],
)
def test_the_scores_of_every_benchmark_make_a_page(case: str, tmp_path: Path) -> None:
    official = json.loads(shared("golden", case, "expected.json").read_text())
    metrics = {key: math.nan if value is None else value for key, value in official["metrics"].items()}
    scores = Scores(metrics, official["details"], official.get("variants", {}))
    page = written(ReportPage(case, scores, VOCABULARY, "vis"), tmp_path)
    assert [row[0] for row in rows(page)[1:]] == list(metrics)
