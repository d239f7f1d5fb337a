"""One of the sets that evaluators are timed on, and results that are its truth and must be found perfect.

    python -m tests.bench.eval_truth ytvis|vspw|kitti_step|vipseg|davis|burst FOLDER [--small]

Small: two videos of 24 frames at 320 × 180, with perfect results beside them where the truth itself cannot be given as
such: as a file of results wants it in FOLDER/perfect.json, or a folder in FOLDER/perfect.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from gvseg_core.data.map_files import read_labels
from tests.bench import eval_maps, eval_sets, eval_vos

SETS: dict[str, Callable[..., object]] = {"ytvis": eval_sets.youtube_vis, **eval_maps.SETS, **eval_vos.SETS}
SMALL = {"videos": 2, "frames": 24, "size": (180, 320)}


def youtube_vis(folder: Path) -> None:
    """Each true track is a prediction that is sure."""
    truth = json.loads((folder / "instances.json").read_text(encoding="utf-8"))
    taken = "video_id", "category_id", "segmentations"
    sure = [{**{key: track[key] for key in taken}, "score": 1.0} for track in truth["annotations"]]
    (folder / "perfect.json").write_text(json.dumps(sure), encoding="utf-8")


def vspw(folder: Path) -> None:
    """Truth counts classes from 1, results from 0."""
    for path in (folder / "gt/data").glob("*/mask/*.png"):
        true = read_labels(path)
        copy = folder / "perfect" / path.parts[-3] / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(true == eval_maps.VOID, 0, true - 1).astype(np.uint8)).save(copy)


def vipseg(folder: Path) -> None:
    """The pictures as they are, and the segments that the truth lists."""
    (folder / "perfect").mkdir()
    (folder / "perfect/pan_pred").symlink_to(folder.resolve() / "gt/panomasksRGB")
    truth = json.loads((folder / "gt/panoptic_gt_VIPSeg_val.json").read_text(encoding="utf-8"))
    answer = json.dumps({"annotations": truth["annotations"]})
    (folder / "perfect/pred.json").write_text(answer, encoding="utf-8")


PERFECT = {"ytvis": youtube_vis, "vspw": vspw, "vipseg": vipseg}


def main() -> None:
    """Write one set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    SETS[options.set](options.folder, **(SMALL if options.small else {}))
    if options.small and options.set in PERFECT:
        PERFECT[options.set](options.folder)


if __name__ == "__main__":
    main()
