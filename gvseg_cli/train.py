"""`gvseg train`: a recipe and its data in, a folder with weights, log and curves out."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from gvseg_cli import options as given
from gvseg_cli import train_options as asked
from gvseg_cli.console import Console
from gvseg_cli.signals import Interrupts
from gvseg_core.errors import GvsegError, UsageError


def train(
    context: typer.Context,
    preset: asked.Preset = None,
    data: asked.Data = None,
    out: asked.Out = None,
    changes: asked.Changes = [],  # noqa: B006 - Typer's way to say none; nobody changes it
    init: asked.Init = None,
    resume: asked.Resume = False,
    allow_changed: asked.AllowChanged = False,
    allow_missing: asked.AllowMissing = False,
    allow_partial: asked.AllowPartial = False,
    device: given.Device = "auto",
    tensorboard: asked.TensorBoard = False,
    offline: given.Offline = False,
    dry_run: asked.DryRun = False,
    progress: given.Progress = "auto",
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
    debug: given.Debug = False,
) -> Callable[[], int]:
    """Train a network by a named recipe.

    \b
    gvseg train --preset synth_tiny                 rendered data: nothing to download
    gvseg train --preset vspw_r50 --data sets/ --init model_final_3c8ec9.pkl
    gvseg train --preset my.yaml --data clips/ --set train.steps=2000
    gvseg train --preset vspw_r50 --data sets/ --resume
    torchrun --nproc-per-node 8 -m gvseg_cli train --preset vipseg_r50 --data sets/
    """
    console, interrupts = context.obj
    console.quiet, console.verbose, console.debug = quiet, verbose, debug
    if preset is None:
        raise UsageError("say what to train: --preset NAME or FILE.yaml, such as --preset synth_tiny")
    if resume and init is not None:
        raise UsageError("--resume goes on with the run's own weights; leave out --init")
    if allow_changed and not resume:
        raise UsageError("--allow-changed has no effect without --resume")
    if allow_partial and init is None:
        raise UsageError("--allow-partial has no effect without --init")
    values: dict[str, Any] = {
        "preset": preset,
        "out": None if out is None else Path(out),
        "init": init,
        "resume": resume,
        "allow_changed": allow_changed,
        "allow_missing": allow_missing,
        "allow_partial": allow_partial,
        "device": device,
        "tensorboard": tensorboard,
        "offline": offline,
    }
    if data is not None:
        values["data"] = Path(data)
    return lambda: _run(values, changes, dry_run, progress, console, interrupts)


def _run(
    values: dict[str, Any],
    changes: Sequence[str],
    dry_run: bool,
    way: str,
    console: Console,
    interrupts: Interrupts,
) -> int:
    from gvseg_cli.train_progress import train_progress
    from gvseg_core.config import parse
    from gvseg_core.engine.training.settings import TrainRequest, as_json, parse_changes

    request = parse(TrainRequest, {**values, "changes": parse_changes(changes)}, "train")
    recipe = request.recipe()  # what is wrong with it is said before torch is there
    if dry_run:
        import yaml

        for line in yaml.safe_dump(dict(as_json(recipe)), sort_keys=False).splitlines():
            console.show(line)
        return 0
    watcher = train_progress(way, console)

    from gvseg_core.engine.devices import choose_device  # torch arrives here, which takes a while
    from gvseg_core.engine.train import Training
    from gvseg_core.engine.training.processes import PeerError, joined

    interrupts.also(getattr(signal, "SIGUSR1", None))
    with joined(choose_device(request.device).type) as processes:
        if not processes.is_first:  # what all of them have to say, the first one says
            console.quiet = True
        try:
            training = Training(request, watcher, processes, interrupts.came)
            training.prepare()
            interrupts.finish_in_order(lambda: None, "finishing the step and saving the state")
            is_done = training.run()
        except PeerError as error:
            console.detail(str(error))
            return error.exit_code
        except GvsegError as error:
            if processes.is_first:
                raise
            console.error(f"process {processes.rank}: {error}", error)
            return error.exit_code
        for name in ("last.safetensors", "best.safetensors"):
            if processes.is_first and (request.folder / name).exists():
                console.path(request.folder / name)
        if not is_done:
            console.note(f"stopped after step {training.step}; --resume goes on")
    return 0 if is_done else interrupts.exit_code
