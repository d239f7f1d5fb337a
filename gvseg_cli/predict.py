"""`gvseg predict`: any video in, finished files out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from gvseg_cli import options as given
from gvseg_cli.console import Console
from gvseg_cli.signals import Interrupts
from gvseg_core.errors import UsageError

if TYPE_CHECKING:
    from gvseg_core.engine.predict import Prediction
    from gvseg_core.engine.settings import PredictSettings
    from gvseg_core.types import VideoInfo

TASKS = "--task vis (objects), vss (a class per pixel), vps (both) or evs (what --exemplar shows)"


def predict(
    context: typer.Context,
    inputs: given.Inputs,
    task: given.Task = None,
    model: given.Model = None,
    exemplars: given.Exemplars = [],  # noqa: B006 - Typer's way to say none; nobody changes it
    vocabulary: given.KnownSet = None,
    classes: given.Classes = None,
    conf: given.Conf = None,
    start: given.Start = None,
    end: given.End = None,
    stride: given.Stride = 1,
    fps: given.Rate = None,
    stream: given.Stream = None,
    recursive: given.Recursive = False,
    output: given.Output = None,
    save: given.Save = None,
    overwrite: given.Overwrite = False,
    skip_existing: given.SkipExisting = False,
    json_lines: given.JsonLines = False,
    labels: given.Labels = True,
    alpha: given.Alpha = 0.5,
    color_by: given.ColorBy = "auto",
    no_audio: given.NoAudio = False,
    size: given.ShortSide = None,
    device: given.Device = "auto",
    dtype: given.Dtype = "auto",
    compiled: given.Compile = False,
    batch: given.Batch = None,
    clip_stride: given.ClipStride = None,
    seed: given.Seed = 0,
    overrides: given.Overrides = [],  # noqa: B006
    offline: given.Offline = False,
    on_error: given.OnError = "skip",
    strict: given.Strict = False,
    dry_run: given.DryRun = False,
    progress: given.Progress = "auto",
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> Callable[[], int]:
    """Segment videos and write what was found.

    \b
    gvseg predict clip.mp4 --task vis     clip.vis.mp4 and .json, here
    gvseg predict clips/ -o out --task vss --save png --model M     class maps
    gvseg predict dog.mp4 --task evs --exemplar box:40,60,200,180
    gvseg predict - -o - --task vps <in.mkv | ffplay -
    """
    console, interrupts = context.obj
    console.quiet, console.verbose, console.debug = quiet, verbose, debug
    if task is None:
        raise UsageError(f"say what to find: {TASKS}")
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other; choose one")
    values: dict[str, Any] = {
        "inputs": tuple(inputs),
        "recursive": recursive,
        "task": task,
        "model": model,
        "output": output,
        "save": _words(save) if save is not None else _usual_results(output, json_lines),
        "json_lines": json_lines,
        "exemplars": tuple(exemplars),
        "vocabulary": vocabulary,
        "classes": _words(classes),
        "conf": conf,
        "start": start,
        "end": end,
        "stride": stride,
        "fps": fps,
        "stream": stream,
        "labels": labels,
        "alpha": alpha,
        "color_by": color_by,
        "audio": not no_audio,
        "size": size,
        "device": device,
        "dtype": dtype,
        "compile": compiled,
        "batch": batch,
        "clip_stride": clip_stride,
        "seed": seed,
        "offline": offline,
        "existing": "replace" if overwrite else "skip" if skip_existing else "refuse",
        "on_error": on_error,
        "strict": strict,
    }
    return lambda: _run(values, overrides, dry_run, progress, console, interrupts)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _usual_results(output: str | None, json_lines: bool) -> tuple[str, ...]:
    """What to save when --save does not say: video and JSON, if where to leaves the choice."""
    if output in {"-", os.devnull}:
        return ("video",)
    if output is None:
        return () if json_lines else ("video", "json")
    return {".json": ("json",), ".csv": ("csv",)}.get(Path(output).suffix.lower(), ("video", "json"))


def _run(
    values: dict[str, Any],
    overrides: Sequence[str],
    dry_run: bool,
    way: str,
    console: Console,
    interrupts: Interrupts,
) -> int:
    from gvseg_cli.progress import progress
    from gvseg_core.config import parse
    from gvseg_core.engine.outputs import plan
    from gvseg_core.engine.settings import PredictSettings, check_together, parse_overrides
    from gvseg_core.ops.allocator import share_one_heap
    from gvseg_core.recipes import BUNDLED, BUNDLED_NOTE

    share_one_heap()
    given = {**values, "model": values["model"] or BUNDLED, "overrides": parse_overrides(overrides)}
    settings = parse(PredictSettings, given, "predict")
    check_together(settings)
    watcher = progress(way, console)
    jobs = plan(settings)
    if values["model"] is None:
        watcher.note(BUNDLED_NOTE)
    watcher.run_begins()

    from gvseg_core.engine.predict import Prediction  # torch arrives here, which takes a while

    if dry_run:
        with Prediction(settings, jobs, watcher) as prediction:
            return _rehearse(prediction, console)
    with (
        _stream(settings, console) as stream,
        Prediction(settings, jobs, watcher, stopped=interrupts.came, stream=stream) as prediction,
    ):
        prediction.prepare()
        interrupts.finish_in_order(prediction.abort)
        summary = prediction.run()
    watcher.run_ends(summary)
    return interrupts.exit_code if interrupts.came() else summary.exit_code


def _stream(settings: PredictSettings, console: Console) -> AbstractContextManager[BinaryIO | None]:
    """What takes the results that do not go to files."""
    if settings.output == os.devnull:
        return open(os.devnull, "wb")
    if settings.output != "-" and not settings.json_lines:
        return nullcontext()
    if settings.output == "-" and settings.save[0] != "json" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(f"-o - would write {settings.save[0]} to the terminal; pipe it on, as in: ... -o - | ffplay -")
    return console.stdout_for_results()


def _rehearse(prediction: Prediction, console: Console) -> int:
    """What --dry-run shows, on stdout: it is what was asked for."""
    for job, video in prediction.rehearse():
        targets = ", ".join(map(str, job.targets.values())) or "stdout"
        console.show(f"{job.shown}: {_size_of(video)} -> {'its outputs exist; skipped' if job.is_done else targets}")
    console.show(f"model: {prediction.rehearse_model()}")
    console.note("dry run: nothing was written")
    return prediction.summary().exit_code


def _size_of(video: VideoInfo | None) -> str:
    if video is None:
        return "not opened"
    height, width = video.size
    count = video.num_frames
    return f"{width}x{height}, {'length unknown' if count is None else f'{count} frame' + 's' * (count != 1)}"
