"""The options of `gvseg eval`, as its help shows them; `gvseg_cli.options` has those that `predict` takes, too."""

from __future__ import annotations

from typing import Annotated

import typer

from gvseg_cli.options import HOW, MODEL_FORMS, OUT, RUN, _option

BENCH_NAMES = (
    "ytvis19 ytvis21 ovis coco vspw vipseg kitti_step davis17 ytvos18 burst burst_class_guided burst_open_world synth"
)

Stray = Annotated[list[str], typer.Argument(metavar="", hidden=True)]

WHICH = "Which benchmark"
Bench = Annotated[str | None, _option(WHICH, "--bench", f"{', '.join(BENCH_NAMES.split())}.", "NAME")]
SynthTask = Annotated[str | None, _option(WHICH, "--task", "Of synth, which has all four (vps).", "vis|vss|vps|evs")]
Videos = Annotated[str | None, _option(WHICH, "--videos", "Only these, by name.", "A,B,...")]

FILES = "Score files"
GroundTruth = Annotated[str | None, _option(FILES, "--gt", "Ground truth: the official file or folder.", "GT")]
Results = Annotated[
    str | None, _option(FILES, "--results", "Results in the official layout, by whatever made them.", "R")
]
Workers = Annotated[int, _option(FILES, "--workers", "Processes that score.", "N", show_default=True)]

MODEL = "Run a model"
Data = Annotated[
    str | None,
    _option(MODEL, "--data", "The official folder, as downloaded; of synth its settings: videos=8,frames=36.", "ROOT"),
]
Split = Annotated[str | None, _option(MODEL, "--split", "val, unless the benchmark has others.", "S")]
Model = Annotated[str | None, _option(MODEL, "--model", f"{MODEL_FORMS[0].upper()}{MODEL_FORMS[1:]}.", "M")]
ExemplarKind = Annotated[
    str,
    _option(MODEL, "--exemplar-kind", "How objects are pointed at.", "mask|box|point", show_default=True),
]
Conf = Annotated[
    float | None,
    _option(MODEL, "--conf", "Least score of an object (vis: 0.05, for AP).", "0..1"),
]
ShortSide = Annotated[
    int | None, _option(HOW, "--size", "Short side that the network sees; else as the benchmark is usually run.", "PX")
]

KnownSet = Annotated[
    str | None, _option(MODEL, "--vocabulary", "What the classes are, where the model does not tell: coco.", "V")
]

SaveResults = Annotated[
    str | None,
    _option(OUT, "--save-results", "A folder for results in the official layout; run again, it goes on there.", "DIR"),
]
Submission = Annotated[str | None, _option(OUT, "--submission", "The archive that the server takes.", "FILE.zip")]
JsonFile = Annotated[str | None, _option(OUT, "--json", "All numbers, in full precision; - is stdout.", "FILE")]
Report = Annotated[str | None, _option(OUT, "--report", "A page with tables, and pictures of the worst videos.", "DIR")]
Overwrite = Annotated[bool, _option(OUT, "--overwrite -y", "Replace outputs that exist.")]
Seed = Annotated[int, _option(HOW, "--seed", "Of all chance.", "N")]
Verbose = Annotated[bool, _option(RUN, "--verbose -v", "Every metric, and more.")]
