"""The options of `gvseg export`, as its help shows them; what they do is said in `engine.exporting.settings`."""

from __future__ import annotations

from typing import Annotated

from gvseg_cli.options import HOW, RUN, _option

WHAT = "What to export"
Model = Annotated[
    str | None,
    _option(WHAT, "--model", "Any weights that predict takes; else nano, which comes with gvseg.", "M"),
]
Format = Annotated[
    str | None,
    _option(
        WHAT,
        "--format",
        "ONNX; a torch.export program (.pt2); a Hugging Face folder; or gvseg's own file.",
        "onnx|torch|hf|safetensors",
    ),
]
Task = Annotated[
    str | None, _option(WHAT, "--task", "Whose queries go along, where tasks have their own.", "vis|vss|vps|evs")
]
Dtype = Annotated[
    str | None, _option(WHAT, "--dtype", "Of the tensors in safetensors: fp16 is half the size; else as they are.", "D")
]
Run = Annotated[
    str | None,
    _option(WHAT, "--run", "The folder they were trained in: its settings and log go along (safetensors).", "RUN"),
]
Init = Annotated[
    str | None, _option(WHAT, "--init", "What that run began with, where the weights do not say.", "WEIGHTS")
]
KnownSet = Annotated[str | None, _option(WHAT, "--vocabulary", "Which classes go along, or what they are: coco.", "V")]

OUT = "Where it goes"
Output = Annotated[
    str | None, _option(OUT, "--output -o", "A file, or a folder for hf; else the model's name, here.", "OUT")
]
Overwrite = Annotated[bool, _option(OUT, "--overwrite -y", "Replace what exists.")]
Json = Annotated[bool, _option(OUT, "--json", "The comparison as JSON on stdout.")]

Pictures = Annotated[
    str | None,
    _option(HOW, "--size", "Short side of 16:9 pictures, or WxH, that onnx and torch are for.", "S|WxH"),
]
Dynamic = Annotated[bool, _option(HOW, "--dynamic", "Any height and width, for onnx and torch.")]
DryRun = Annotated[bool, _option(RUN, "--dry-run", "Read the model, say what would be done; write nothing.")]
