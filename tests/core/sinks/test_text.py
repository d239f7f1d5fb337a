"""Tables and lines, read back with the standard library and pycocotools."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from gvseg_core.errors import OutputError
from gvseg_core.ops import rle
from gvseg_core.sinks.base import FileSink
from gvseg_core.sinks.text import CsvTable, JsonLines, MotsText, plain_cell
from gvseg_core.types import ClassInfo, FrameResult, Vocabulary
from tests.core.sinks.scenes import SIZE, VOCABULARY, box_mask, outcome, result, results, segment, settings, video


def text_of(kind: type[FileSink], shown: list[FrameResult], task: str = "vis", **more: object) -> str:
    stream = io.BytesIO()
    sink = kind(stream, settings(task, **more))
    sink.begin(video())
    for one in shown:
        sink.write(one)
    sink.end(outcome(shown))
    return stream.getvalue().decode()


def test_the_table_has_one_line_per_object_and_frame() -> None:
    shown = results("vis")
    text = text_of(CsvTable, shown)
    assert text.startswith("frame,time_s,track_id,class_id,class,score,x,y,w,h,area_px,area_frac,cx,cy\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    pairs = [(one, s) for one in shown for s in one.segments]
    for row, (one, found) in zip(rows, pairs, strict=True):
        ys, xs = np.nonzero(rle.decode(found.mask))
        assert (int(row["frame"]), int(row["track_id"])) == (one.frame.index, found.track_id)
        assert float(row["time_s"]) == float(one.frame.time)
        assert (int(row["class_id"]), row["class"]) == (found.class_id, VOCABULARY.classes[found.class_id].name)
        assert float(row["score"]) == found.score
        assert [int(row[k]) for k in "xywh"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert int(row["area_px"]) == len(xs)
        assert float(row["area_frac"]) == pytest.approx(len(xs) / (SIZE[0] * SIZE[1]), abs=1e-6)
        assert float(row["cx"]) == pytest.approx(xs.mean() + 0.5, abs=0.006)
        assert float(row["cy"]) == pytest.approx(ys.mean() + 0.5, abs=0.006)


@pytest.mark.parametrize("name", ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_no_class_name_is_a_formula_to_a_spreadsheet(name: str) -> None:
    assert plain_cell(name)[0] in {"'", "\\"}


@pytest.mark.parametrize("name", ['says "hi", twice', "two\nlines", "\x1b[2J", "人", "bad\udcff"])
def test_any_class_name_is_one_cell(name: str) -> None:
    vocabulary = Vocabulary("one", (ClassInfo(name, (1, 2, 3)),))
    text = text_of(CsvTable, [result(0, [segment(1, 0, box_mask(0, 0, 2, 2))])], vocabulary=vocabulary)
    assert "\x1b" not in text
    assert text.count("\n") == 2
    head, row = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert len(head) == len(row) == 14


def test_mots_lines_hold_every_pixel_once() -> None:
    shown = results("vis")
    lines = [line.split(" ") for line in text_of(MotsText, shown).splitlines()]
    painted = {t: np.zeros(SIZE, int) for t in range(len(shown))}
    for frame, number, class_number, h, w, counts in lines:
        assert (int(h), int(w)) == SIZE
        assert int(number) // 1000 == int(class_number)
        mask = coco.decode({"size": [int(h), int(w)], "counts": counts}).astype(bool)
        assert not painted[int(frame)][mask].any()
        painted[int(frame)][mask] = int(number)
    for one in shown:
        wanted = np.zeros(SIZE, int)
        for found in sorted(one.segments, key=lambda s: s.score):
            wanted[rle.decode(found.mask)] = {3: 11000, 7: 12000}[found.track_id]
        assert np.array_equal(painted[one.frame.index], wanted)


def test_mots_has_objects_only_and_says_when_it_has_no_more_ids() -> None:
    lines = text_of(MotsText, results("vps"), "vps").splitlines()
    assert {line.split()[2] for line in lines} == {"11", "12"}
    mask = box_mask(0, 0, 1, 1)
    full = [result(0, [segment(i, 0, mask)]) for i in range(1, 1001)]
    assert text_of(MotsText, full).splitlines()[-1].split()[1] == "11999"
    with pytest.raises(OutputError, match="more than 1000 objects of class 11"):
        text_of(MotsText, [*full, result(0, [segment(1001, 0, mask)])])


def test_an_object_keeps_its_mots_id_when_its_class_changes() -> None:
    mask = box_mask(0, 0, 1, 1)
    lines = text_of(MotsText, [result(0, [segment(5, 0, mask)]), result(1, [segment(5, 1, mask)])]).splitlines()
    assert [line.split()[1:3] for line in lines] == [["11000", "11"], ["11000", "11"]]


def test_json_lines_hold_everything_found_on_a_frame() -> None:
    shown = results("vis")
    for line, one in zip(text_of(JsonLines, shown).splitlines(), shown, strict=True):
        told = json.loads(line)
        assert (told["video"], told["frame"], told["time_s"]) == ("clip", one.frame.index, float(one.frame.time))
        assert (told["height"], told["width"]) == SIZE
        for found, wanted in zip(told["segments"], one.segments, strict=True):
            assert np.array_equal(coco.decode(found["segmentation"]), rle.decode(wanted.mask))
            assert found["bbox"] == coco.toBbox(found["segmentation"]).tolist()
            assert found["area"] == coco.area(found["segmentation"])
            assert (found["track_id"], found["class_id"], found["score"]) == (
                wanted.track_id,
                wanted.class_id,
                wanted.score,
            )
            assert found["class"] == VOCABULARY.classes[wanted.class_id].name
            assert found["category_id"] == VOCABULARY.classes[wanted.class_id].dataset_id


def test_a_line_of_json_is_handed_on_with_its_frame(tmp_path: Path) -> None:
    with (tmp_path / "lines").open("wb") as stream:  # buffered
        sink = JsonLines(stream, settings())
        sink.begin(video())
        sink.write(result(0))
        assert (tmp_path / "lines").read_bytes().count(b"\n") == 1
