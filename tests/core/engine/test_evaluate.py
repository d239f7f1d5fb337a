"""Evaluation as a function: hidden truth, and the scores that a training run asks for."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.config import parse
from gvseg_core.engine import evaluate as engine
from gvseg_core.engine.benchmarks import Bench, choose_bench
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.run import score_segmenter
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.engine.truth import TruthSegmenter
from gvseg_core.errors import OutputError, UsageError

SPEC = Path("videos=2,frames=4,size=48x32,objects=4")
HIDDEN = "the truth of test is hidden; submit to server 7"


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """`synth` as a set whose truth is not public."""

    def choose(name: str, task: Any) -> Bench:
        bench = choose_bench(name, task)

        def open_split(path: Path, split: str) -> Any:
            footage: Any = bench.benchmark.open(path, split)
            footage.truth, footage.hidden = None, HIDDEN
            return footage

        return replace(bench, benchmark=replace(bench.benchmark, open=open_split))

    monkeypatch.setattr(engine, "choose_bench", choose)


def run(**values: Any) -> Any:
    given = {"bench": "synth", "task": "evs", "data": SPEC, "model": "truth", **values}
    return evaluate(parse(EvalSettings, given, "eval"), Nobody())


@pytest.mark.usefixtures("hidden")
def test_hidden_truth_gives_files_and_says_where_they_are_scored(tmp_path: Path) -> None:
    done = run(submission=tmp_path / "s.zip", save_results=tmp_path / "out", json_file=tmp_path / "s.json")
    assert (done.scores, done.hidden, done.is_whole) == (None, HIDDEN, True)
    assert list(done.outputs) == [tmp_path / "out", tmp_path / "s.zip", tmp_path / "s.json"]
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert len(archive.namelist()) == 8
    assert HIDDEN in (tmp_path / "s.json").read_text()
    assert run(save_results=tmp_path / "out").is_whole


def test_what_was_done_without_truth_is_not_taken_for_scored(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    request.getfixturevalue("hidden")
    run(save_results=tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(OutputError, match=r"another run \(truth differ\)"):
        run(save_results=tmp_path / "out")


@pytest.mark.usefixtures("hidden")
@pytest.mark.parametrize(
    ("values", "says"), [({}, f"{HIDDEN}; add --submission"), ({"report": True}, "there are none")]
)
def test_hidden_truth_without_anything_to_write_is_refused(values: Any, says: str, tmp_path: Path) -> None:
    more = {"report": tmp_path / "page", "save_results": tmp_path / "out"} if values else {}
    with pytest.raises(UsageError, match=says):
        run(**more)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["json_file", "submission", "report"])
def test_outputs_are_looked_at_before_any_work_is_done(name: str, tmp_path: Path) -> None:
    target = tmp_path / "there.zip"
    (target / "index.html").parent.mkdir()
    (target / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="there"):
        run(**{name: target}, model="a model that does not exist")


def test_a_training_run_asks_for_scores_alone() -> None:
    bench = choose_bench("synth", "evs")
    scores = score_segmenter(TruthSegmenter("evs"), bench, bench.benchmark.open(SPEC, "train"))
    assert scores.metrics["J&F-Mean"] == 1.0


def test_a_run_that_is_stopped_keeps_what_is_done(tmp_path: Path) -> None:
    settings = {"bench": "synth", "task": "evs", "data": SPEC, "model": "truth", "save_results": tmp_path / "out"}
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 1

    done = evaluate(parse(EvalSettings, settings, "eval"), Nobody(), stopped=stopped)
    assert (done.num_done, done.num_videos, done.scores, done.is_whole) == (1, 2, None, False)
    assert evaluate(parse(EvalSettings, settings, "eval"), Nobody()).scores is not None
