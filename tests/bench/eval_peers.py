"""Evaluators of others that PyPI has, driven on our generated sets; prints one JSON line of what they say.

    PYTHON tests/bench/eval_peers.py vos_benchmark|trackeval FOLDER

PYTHON is an environment of theirs: pip install --no-deps vos-benchmark trackeval, then numpy scipy pillow scikit-image
opencv-python-headless tqdm pycocotools matplotlib tabulate. This file imports nothing of ours. Exit 3: the program is
not installed there.

vos-benchmark (MIT) has the J and F of davis2017-evaluation, TrackEval (MIT) the HOTA of BURST. The first learns of an
object where it is first seen on a frame that counts, and leaves out those before; it is told the objects of the first
frame, as DAVIS counts them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
from pathlib import Path

NOT_INSTALLED = 3


def vos_benchmark(folder: Path) -> dict[str, float]:
    """J and F of every object, as fractions."""
    import numpy as np
    from PIL import Image
    from vos_benchmark.evaluator import Evaluator

    def labels(path: Path) -> np.ndarray:
        return np.array(Image.open(path))

    found: dict[str, float] = {}
    for video in sorted((folder / "gt/Annotations/480p").iterdir()):
        first, *counted, _ = sorted(video.iterdir())
        program = Evaluator()
        program.objects_in_gt.update(set(np.unique(labels(first)).tolist()) - {0})
        for path in counted:
            program.feed_frame(labels(folder / "pred" / video.name / path.name), labels(path))
        for name, values in zip("JF", program.conclude(), strict=True):
            found |= {f"{video.name}_{number}/{name}": float(value) / 100 for number, value in values.items()}
    return found


def trackeval(folder: Path) -> dict[str, float]:
    """HOTA, DetA and AssA over all classes, in per cent."""
    from trackeval import Evaluator, datasets, metrics

    results = folder / "trackers/gvseg/data"
    results.mkdir(parents=True, exist_ok=True)
    if not (results / "predictions.json").exists():
        (results / "predictions.json").symlink_to((folder / "pred/predictions.json").resolve())
    silent = dict.fromkeys(("PRINT_RESULTS", "PRINT_CONFIG", "TIME_PROGRESS", "OUTPUT_SUMMARY"), False)
    silent |= dict.fromkeys(("OUTPUT_DETAILED", "OUTPUT_EMPTY_CLASSES", "PLOT_CURVES", "USE_PARALLEL"), False)
    places = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers"), "PRINT_CONFIG": False}
    dataset = datasets.BURST({**places, "EXEMPLAR_GUIDED": True, "SPLIT_TO_EVAL": "val"})
    program = Evaluator({**silent, "BREAK_ON_ERROR": True, "LOG_ON_ERROR": None})
    found, _ = program.evaluate([dataset], [metrics.HOTA({"PRINT_CONFIG": False})])
    over_all = found["BURST"]["gvseg"]["COMBINED_SEQ"]["cls_comb_cls_av"]["HOTA"]
    return {f"{name}_all": 100 * float(over_all[name].mean()) for name in ("HOTA", "DetA", "AssA")}


PEERS = {"vos_benchmark": vos_benchmark, "trackeval": trackeval}


def main() -> None:
    """Run one."""
    name, folder = sys.argv[1:]
    try:
        version = importlib.metadata.version(name.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        sys.exit(NOT_INSTALLED)
    with contextlib.redirect_stdout(sys.stderr):
        values = PEERS[name](Path(folder))
    print(json.dumps({"program": f"{name} {version}", "values": values}))


if __name__ == "__main__":
    main()
