"""How good a model is: `gvseg eval` on the rendered videos and on the small real sets, one table.

    GVSEG_SHARED=../shared python -m tests.bench.quality [--model M] [--only NAME …] [--size PX] [--json FILE] [--smoke]

Each of `RUNS` is one command, which is printed; the table's numbers are those that it writes with `--json`, per cent.
The sets lie in `data` of the folder GVSEG_SHARED; one that is not there is left out, and said. Pictures have the
model's own short side, unless --size says otherwise: the sets are small, and the benchmarks' usual sizes, which
`gvseg eval` takes by itself, are meant for theirs.

Videos and pictures of `val` are held out. Those of `train` are not: the model that comes with gvseg has learnt from
them, and their figures only say how much of what it was shown it has kept. `camvid-vps` has stills for training, which
nothing can be followed on; `vos-extra` and `coco-person` have labels for some objects only. Neither can be scored.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from gvseg_core.engine.benchmarks import Bench, choose_bench
from gvseg_core.engine.evaluate import evaluate
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.watching import Nobody
from gvseg_core.model.weights import read_checkpoint
from gvseg_core.recipes import BUNDLED
from gvseg_core.types import TaskName
from tests.bench.machine import describe

SHARED = Path(os.environ.get("GVSEG_SHARED", Path(__file__).parents[3] / "shared"))
SMOKE = "videos=1,frames=3,size=96x64,objects=3"


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation."""

    name: str
    bench: str
    data: str = ""  # the set's folder; none for rendered videos
    split: str = "val"
    task: TaskName | None = None  # of rendered videos

    @property
    def benchmark(self) -> Bench:
        return choose_bench(self.bench, self.task)

    def settings(self, model: str, size: int, smoke: bool) -> EvalSettings:
        """What is asked for; rendered videos are seen as they are."""
        place = SHARED / "data" / self.data if self.data else Path(SMOKE) if smoke else None
        return EvalSettings(
            bench=self.bench,
            task=self.task,
            data=place,
            split=self.split,
            model=model,
            size=size if self.data else None,
            device="cpu",
            dtype="fp32",
        )


RUNS = (
    *(Run(f"synth-{task}", "synth", task=task) for task in get_args(TaskName)),
    Run("davis-evs", "davis17", "davis-mini"),
    Run("davis-vis", "ytvis21", "davis-mini"),
    Run("camvid-vss", "vspw", "camvid-vss"),
    Run("camvid-vps", "vipseg", "camvid-vps"),
    Run("coco-vis", "coco", "coco-mini"),
    Run("pennfudan-vis", "coco", "pennfudan"),
    Run("ytvos-evs-train", "ytvos18", "ytvos-mini", "train"),
    Run("camvid-vss-train", "vspw", "camvid-vss", "train"),
    Run("coco-vis-train", "coco", "coco-mini", "train"),
    Run("pennfudan-vis-train", "coco", "pennfudan", "train"),
)


def evaluated(run: Run, model: str, size: int, smoke: bool) -> dict[str, Any]:
    """What one command says."""
    settings = run.settings(model, size, smoke)
    began = time.perf_counter()
    said = json.loads(evaluate(settings, Nobody()).as_json())
    bench, info = run.benchmark, said["info"]
    scores = {
        key: value if value is None or bench.in_percent(key) else 100 * value
        for key, value in said["metrics"].items()
        if key in bench.scoring.headline
    }
    return {
        "name": run.name,
        "set": run.data or "synth",
        "split": run.split,
        "task": bench.benchmark.task,
        "videos": info["videos"],
        "classes": info["vocabulary"],
        "percent": {key: scores[key] for key in bench.scoring.headline if key in scores},
        "seconds": round(time.perf_counter() - began, 1),
        "command": command_of(settings),
        "notes": info["notes"],
        "sha256": info["model_sha256"],
    }


def command_of(settings: EvalSettings) -> str:
    """The same for a shell."""
    asked = settings.model_dump(mode="json", exclude_defaults=True)
    return shlex.join(["gvseg", "eval", *(word for name, value in asked.items() for word in (f"--{name}", str(value)))])


def table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown, a line for each evaluation."""
    yield "| set | split | task | classes | % |"
    yield "|---|---|---|---|---|"
    for row in rows:
        scores = (f"{key} {'–' if value is None else f'{value:.1f}'}" for key, value in row["percent"].items())
        shared = f"| `{row['set']}` | {row['split']}, {row['videos']} | `{row['task']}` | {row['classes']}"
        yield f"{shared} | {', '.join(scores)} |"


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=BUNDLED)
    parser.add_argument("--only", nargs="+", choices=[run.name for run in RUNS], metavar="NAME")
    parser.add_argument("--size", type=int, help="short side of real pictures; the model's own by default")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--smoke", action="store_true", help="rendered videos alone, as few and small as can be")
    options = parser.parse_args(words)
    size = options.size or read_checkpoint(options.model).input.short_side
    rows = []
    for run in RUNS:
        if (options.only and run.name not in options.only) or (options.smoke and run.data):
            continue
        if run.data and not (SHARED / "data" / run.data).is_dir():
            print(f"{run.name}: left out, there is no {SHARED / 'data' / run.data}", file=sys.stderr)
            continue
        rows.append(evaluated(run, options.model, size, options.smoke))
        print(f"{run.name}: {rows[-1]['seconds']} s, {rows[-1]['command']}", file=sys.stderr)
    print("\n".join(table(rows)))
    if options.json is not None:
        what = f"gvseg eval of {Path(options.model).name}, real pictures at a short side of {size} px"
        told = {"machine": describe(), "what": what, "rows": rows}
        options.json.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
