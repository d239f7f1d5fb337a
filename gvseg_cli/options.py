"""The options of `gvseg predict`, as its help shows them; what they do is said in `gvseg_core.engine.settings`."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def _option(panel: str, flags: str, help: str, metavar: str = "", show_default: bool = False) -> Any:  # noqa: A002
    return typer.Option(*flags.split(), help=help, metavar=metavar, rich_help_panel=panel, show_default=show_default)


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="A video, a folder of frames or of videos, a quoted glob, @list.txt, - (stdin), a camera's number, "
        "rtsp:// or http(s)://, or demo: a clip rendered on the spot.",
    ),
]

MODEL_FORMS = (
    "nano, which comes with gvseg and is meant where this is left out; a gvseg .safetensors file, a Hugging Face "
    "Mask2Former folder, hf://org/name, a detectron2 or mmdet .pkl or .pth file, an exported .onnx or .pt2, or truth "
    "(the demo's own)"
)

WHAT = "What to find"
Task = Annotated[
    str | None,
    _option(WHAT, "--task", "Objects, a class per pixel, both, or what --exemplar shows.", "vis|vss|vps|evs"),
]
Model = Annotated[str | None, _option(WHAT, "--model", f"{MODEL_FORMS[0].upper()}{MODEL_FORMS[1:]}.", "M")]
Exemplars = Annotated[
    list[str],
    _option(
        WHAT,
        "--exemplar",
        "For evs: first.png, 12:mask.png (at frame 12), a folder of PNGs, box:x,y,w,h or point:x,y, both with an "
        "optional @frame; repeatable.",
        "E",
    ),
]
KnownSet = Annotated[
    str | None,
    _option(WHAT, "--vocabulary", "What the classes are, where the model does not tell: coco.", "V"),
]
Classes = Annotated[str | None, _option(WHAT, "--classes", "Only these, by name or number.", "A,B,...")]
Conf = Annotated[float | None, _option(WHAT, "--conf", "Least score of an object.", "0..1")]

RANGE = "Which part of the input"
Start = Annotated[str | None, _option(RANGE, "--start", "12.5 or 0:01:30 (time), or f300 (frame).", "T")]
End = Annotated[str | None, _option(RANGE, "--end", "Likewise; itself not included.", "T")]
Stride = Annotated[int, _option(RANGE, "--stride", "Every N-th frame.", "N")]
Rate = Annotated[float | None, _option(RANGE, "--fps", "Frames a second, in place of the input's own times.", "F")]
Stream = Annotated[int | None, _option(RANGE, "--stream", "Which video stream, where there are several.", "N")]
Recursive = Annotated[bool, _option(RANGE, "--recursive -r", "Folders within folders, too.")]

OUT = "Where results go"
Output = Annotated[
    str | None,
    _option(OUT, "--output -o", "A folder, a file (for one input), or - for stdout; else clip.vis.mp4 … here.", "OUT"),
]
Save = Annotated[
    str | None,
    _option(OUT, "--save", "Any of video, json, png, masks, alpha, csv, mots, contact (video,json).", "A,B,..."),
]
Overwrite = Annotated[bool, _option(OUT, "--overwrite -y", "Replace outputs that exist.")]
SkipExisting = Annotated[bool, _option(OUT, "--skip-existing -n", "Pass over inputs whose outputs exist.")]
JsonLines = Annotated[bool, _option(OUT, "--json", "JSON lines, one a frame, on stdout; files only with --save or -o.")]

LOOK = "Look and sound of the video"
Labels = Annotated[bool, _option(LOOK, "--labels/--no-labels", "Write names and ids.", show_default=True)]
Alpha = Annotated[float, _option(LOOK, "--alpha", "Opacity of the masks.", "0..1", show_default=True)]
ColorBy = Annotated[str, _option(LOOK, "--color-by", "What a colour stands for.", "auto|track|class")]
NoAudio = Annotated[bool, _option(LOOK, "--no-audio", "Leave the sound out.")]

HOW = "How the network runs"
ShortSide = Annotated[
    int | None, _option(HOW, "--size", "Short side that the network sees; masks are at source size.", "PX")
]
Device = Annotated[str, _option(HOW, "--device", "auto, cpu, cuda, cuda:1 or mps.", "D")]
Dtype = Annotated[str, _option(HOW, "--dtype", "auto, fp32, bf16 or fp16.", "D")]
Batch = Annotated[
    int | None,
    _option(HOW, "--batch", "Clips computed at once; else 1, and on a GPU as many as make 12 frames.", "N"),
]
ClipStride = Annotated[
    int | None,
    _option(HOW, "--clip-stride", "Frames from one clip to the next, below the clip's length: clips overlap.", "S"),
]
Compile = Annotated[
    bool, _option(HOW, "--compile", "Compile the network for each size of clip; takes minutes, pays on long GPU runs.")
]
Seed = Annotated[int, _option(HOW, "--seed", "Of all chance; the demo has its own, demo:seed=3.", "N")]
Overrides = Annotated[
    list[str], _option(HOW, "--set", "Any other setting: tracking.shape_weight=0; repeatable.", "KEY=VALUE")
]
Offline = Annotated[bool, _option(HOW, "--offline", "Never use the network.")]

RUN = "The run itself"
OnError = Annotated[str, _option(RUN, "--on-error", "After an input that fails, of several.", "skip|stop")]
Strict = Annotated[bool, _option(RUN, "--strict", "A cut or damaged input counts as failed.")]
DryRun = Annotated[bool, _option(RUN, "--dry-run", "Say what would be done; write nothing.")]
Progress = Annotated[str, _option(RUN, "--progress", "How to report, on stderr.", "auto|bar|plain|json|none")]
Quiet = Annotated[bool, _option(RUN, "--quiet -q", "Errors only.")]
Verbose = Annotated[bool, _option(RUN, "--verbose -v", "Where the time went, and more.")]
Debug = Annotated[bool, _option(RUN, "--debug", "Tracebacks.")]
