"""`gvseg eval`: the official numbers, for files of results or for a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gvseg_cli import eval_options as asked
from gvseg_cli import options as given
from gvseg_cli.console import Console
from gvseg_cli.signals import Interrupts
from gvseg_core.errors import GvsegError, UsageError

if TYPE_CHECKING:
    from gvseg_cli.eval_progress import EvalProgress
    from gvseg_core.engine.evaluation.outcome import Evaluated


def evaluate(
    context: typer.Context,
    stray: asked.Stray = [],  # noqa: B006 - Typer's way to say none; nobody changes it
    bench: asked.Bench = None,
    task: asked.SynthTask = None,
    videos: asked.Videos = None,
    gt: asked.GroundTruth = None,
    results: asked.Results = None,
    workers: asked.Workers = 1,
    data: asked.Data = None,
    split: asked.Split = None,
    model: asked.Model = None,
    exemplar_kind: asked.ExemplarKind = "mask",
    vocabulary: asked.KnownSet = None,
    conf: asked.Conf = None,
    save_results: asked.SaveResults = None,
    submission: asked.Submission = None,
    json_file: asked.JsonFile = None,
    report: asked.Report = None,
    overwrite: asked.Overwrite = False,
    size: asked.ShortSide = None,
    device: given.Device = "auto",
    dtype: given.Dtype = "auto",
    compiled: given.Compile = False,
    seed: asked.Seed = 0,
    overrides: given.Overrides = [],  # noqa: B006
    offline: given.Offline = False,
    progress: given.Progress = "auto",
    quiet: given.Quiet = False,
    verbose: asked.Verbose = False,
    debug: given.Debug = False,
) -> Callable[[], int]:
    """Score results, or a model, as the benchmark's official program does.

    \b
    gvseg eval --bench ovis --gt annotations_valid.json --results results.json
    gvseg eval --bench vipseg --data VIPSeg --model M --save-results out
    gvseg eval --bench ytvis21 --data YTVIS21 --model M --submission out.zip
    gvseg eval --bench synth --task vps     rendered; needs no data
    torchrun --nproc-per-node 8 -m gvseg_cli eval ...
    """
    console, interrupts = context.obj
    console.quiet, console.verbose, console.debug = quiet, verbose, debug
    _refuse_stray(stray, bench)
    if bench is None:
        raise UsageError(f"say which benchmark: --bench {asked.BENCH_NAMES.replace(' ', ', ')}")
    values: dict[str, Any] = {
        "bench": bench,
        "task": task,
        "videos": tuple(word.strip() for word in (videos or "").split(",") if word.strip()),
        "gt": _path(gt),
        "results": _path(results),
        "workers": workers,
        "data": _path(data),
        "split": split,
        "model": model,
        "exemplar_kind": exemplar_kind,
        "vocabulary": vocabulary,
        "conf": conf,
        "save_results": _path(save_results),
        "submission": _path(submission),
        "json_file": _path(json_file),
        "report": _path(report),
        "overwrite": overwrite,
        "size": size,
        "device": device,
        "dtype": dtype,
        "compile": compiled,
        "seed": seed,
        "offline": offline,
    }
    return lambda: _run(values, overrides, progress, console, interrupts)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _refuse_stray(words: Sequence[str], bench: str | None) -> None:
    """Say where a word that no option takes was meant to go."""
    if not words:
        return
    if bench is None and words[0] in asked.BENCH_NAMES.split():
        raise UsageError(f"{words[0]!r} stands alone; a benchmark is named by --bench {words[0]}")
    raise UsageError(
        f"{words[0]!r} stands alone; eval takes --gt GT --results RESULTS to score files, or --data ROOT to "
        "run a model (a single video is for gvseg predict)"
    )


def _run(values: dict[str, Any], overrides: Sequence[str], way: str, console: Console, interrupts: Interrupts) -> int:
    from gvseg_cli.eval_progress import eval_progress
    from gvseg_core.config import parse
    from gvseg_core.engine.evaluate import STDOUT, evaluate
    from gvseg_core.engine.evaluation.settings import EvalSettings
    from gvseg_core.engine.evaluation.team import Team
    from gvseg_core.engine.settings import parse_overrides
    from gvseg_core.files import writing
    from gvseg_core.ops.allocator import keep_freed_memory, share_one_heap

    settings = parse(EvalSettings, {**values, "overrides": parse_overrides(overrides)}, "eval")
    to_stdout = settings.json_file == STDOUT
    if settings.scores_files:
        keep_freed_memory()  # of maps, which come one after the other
    else:
        share_one_heap()
    team = Team.of_environment()
    if not team.is_first:  # what all of them have to say, the first one says
        console.quiet, way = True, "none"
    watcher = eval_progress(way, console)
    with console.stdout_for_results() if to_stdout else nullcontext() as stream:
        try:
            with team:
                done = evaluate(
                    settings,
                    watcher,
                    team=team,
                    stopped=interrupts.came,
                    keeps=lambda: interrupts.finish_in_order(lambda: None),
                )
        except GvsegError as error:
            if team.is_first:
                raise
            return error.exit_code
        if team.is_first:
            _explain(done, watcher)
            if stream is not None and done.is_whole:
                with writing("stdout"):
                    stream.write(done.as_json().encode() + b"\n")
                    stream.flush()
    if team.is_first and done.is_whole and not to_stdout:
        _show(done, console)
    return 0 if done.is_whole else interrupts.exit_code


def _explain(done: Evaluated, watcher: EvalProgress) -> None:
    """What goes with the numbers, on stderr."""
    watcher.run_ends()
    for note in done.notes:
        watcher.note(note)
    if not done.is_whole:
        watcher.note(f"interrupted: {done.num_done} of {done.num_videos} videos are done; the same command goes on")
    elif done.hidden:
        watcher.note(f"no scores: {done.hidden}")


def _show(done: Evaluated, console: Console) -> None:
    """The numbers, and the paths of what was written, on stdout."""
    from gvseg_cli.eval_table import show_table

    if done.scores is not None:
        show_table(done, everything=console.verbose)
    for path in done.outputs:
        console.path(path)
