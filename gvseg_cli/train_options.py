"""The options of `gvseg train`, as its help shows them."""

from __future__ import annotations

from typing import Annotated

from gvseg_cli.options import HOW, RUN, _option

WHAT = "What to train"
Preset = Annotated[str | None, _option(WHAT, "--preset", "A recipe: its name, or a YAML file.", "NAME|FILE")]
Data = Annotated[str | None, _option(WHAT, "--data", "The folder below which the sets lie (data).", "ROOT")]
Init = Annotated[str | None, _option(WHAT, "--init", "Weights to start from: any --model, or a backbone's.", "WEIGHTS")]
Changes = Annotated[
    list[str], _option(WHAT, "--set", "Any setting of the recipe: train.steps=100; repeatable.", "KEY=VALUE")
]

OUT = "Where it goes"
Out = Annotated[str | None, _option(OUT, "--out -o", "The run's folder (runs/PRESET).", "RUN")]
Resume = Annotated[bool, _option(OUT, "--resume", "Go on with the run in that folder, bit for bit.")]
AllowChanged = Annotated[bool, _option(OUT, "--allow-changed", "Resume although settings have changed.")]
TensorBoard = Annotated[bool, _option(OUT, "--tensorboard", "Write TensorBoard events too (extra gvseg[tensorboard]).")]

AllowMissing = Annotated[bool, _option(HOW, "--allow-missing", "Leave out files that cannot be read.")]
AllowPartial = Annotated[bool, _option(HOW, "--allow-partial", "Let all that --init does not give start anew.")]
DryRun = Annotated[bool, _option(RUN, "--dry-run", "Show the resolved recipe; train nothing.")]
