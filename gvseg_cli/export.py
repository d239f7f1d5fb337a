"""`gvseg export`: the same network in another format, proven equal."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from gvseg_cli import export_options as given
from gvseg_cli.console import Console
from gvseg_cli.options import Debug, Offline, Quiet
from gvseg_core.errors import UsageError

FORMATS = (
    "--format onnx, torch (a .pt2 of torch.export), hf (a folder for transformers) or safetensors (gvseg's own file)"
)


def export(
    context: typer.Context,
    model: given.Model = None,
    format: given.Format = None,  # noqa: A002 - the option's name
    task: given.Task = None,
    vocabulary: given.KnownSet = None,
    dtype: given.Dtype = None,
    run: given.Run = None,
    init: given.Init = None,
    output: given.Output = None,
    overwrite: given.Overwrite = False,
    as_json: given.Json = False,
    size: given.Pictures = None,
    dynamic: given.Dynamic = False,
    offline: Offline = False,
    dry_run: given.DryRun = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> Callable[[], int]:
    """Write a model in another format, and prove that it answers the same.

    \b
    gvseg export --model M --format onnx --dynamic     M.onnx, for any size
    gvseg export --model M --format torch --size 360     M.pt2, for 640x360
    gvseg export --model M.pkl --format hf -o folder     for transformers
    gvseg export --model M.pth --format safetensors     gvseg's own file
    gvseg export --model M --format safetensors --dtype fp16 -o half.safetensors

    What is written is run beside the original on rendered frames; if it differs too much, the exit code is 1 and
    nothing is kept.
    """
    console, _ = context.obj
    console.quiet, console.debug = quiet, debug
    if format is None:
        raise UsageError(f"say what to write: {FORMATS}")
    values: dict[str, Any] = {
        "model": model,
        "format": format,
        "output": output,
        "size": size,
        "dynamic": dynamic,
        "task": task,
        "vocabulary": vocabulary,
        "dtype": dtype,
        "run": None if run is None else Path(run),
        "init": init,
        "overwrite": overwrite,
        "offline": offline,
    }
    return lambda: _run(values, dry_run, as_json, console)


def _run(values: dict[str, Any], dry_run: bool, as_json: bool, console: Console) -> int:
    from gvseg_core.config import parse
    from gvseg_core.engine.exporting.settings import ExportSettings, check_together
    from gvseg_core.recipes import BUNDLED, BUNDLED_NOTE

    settings = parse(ExportSettings, {**values, "model": values["model"] or BUNDLED}, "export")
    if values["model"] is None:
        console.note(BUNDLED_NOTE)
    check_together(settings)

    from gvseg_core.engine.export import Export  # torch arrives here, which takes a while

    export = Export(settings, console.note)
    plan = export.plan()
    if dry_run:
        console.show(plan)
        console.note("dry run: nothing was written")
        return 0
    console.note(plan)
    done = export.run()
    for note in done.notes:
        console.note(f"note: {note}")
    if as_json:
        console.show(json.dumps(done.as_json()))
    else:
        console.path(done.path)
    return 0
