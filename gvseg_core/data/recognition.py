"""Which benchmark a file or folder is of, by what lies in it: so that a wrong `--bench` is answered with the right one.

A guess for messages, never for reading: it looks at names, and at the beginning of a JSON file.
"""

from __future__ import annotations

import re
from pathlib import Path

from gvseg_core.errors import DataError
from gvseg_core.files import printable

# Patterns below a folder, any of which tells the benchmark; the first one that fits is taken.
_FOLDERS = {
    "vipseg": ("panoptic_gt_VIPSeg*.json", "panomasks*/*", "pan_pred", "VIPSeg_720P", "panoVIPSeg_categories.json"),
    "vspw": ("data/*/mask", "label_num_dic_final.json"),
    "kitti_step": ("panoptic_maps", "kitti-step"),
    "burst": ("first_frame_annotations.json", "all_classes.json"),
    "davis17": ("Annotations/480p", "ImageSets/2017"),
    "ytvos18": ("valid/meta.json", "meta.json"),
    "ovis": ("annotations_valid.json", "annotations_train.json"),
    "ytvis21": ("instances.json", "valid/instances.json", "results.json"),
}

# The same for the first characters of a JSON file.
_FILES = {
    "vipseg": re.compile(r'"segments_info"'),
    "burst": re.compile(r'"sequences"|"annotated_image_paths"'),
    "ytvis21": re.compile(r'"segmentations"|"file_names"'),
}
_HEAD = 2**16  # bytes


def recognise(path: Path) -> str | None:
    """The name that `--bench` has for what this looks like; None where nothing tells."""
    if path.is_dir():
        found = (name for name, patterns in _FOLDERS.items() if any(any(path.glob(p)) for p in patterns))
        return next(found, None)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8", errors="replace")
    except OSError:
        return None
    return next((name for name, pattern in _FILES.items() if pattern.search(head)), None)


def misfit(path: Path, bench: str, missing: str) -> DataError:
    """The error for a path in which a benchmark's part is missing; it names the benchmark that this looks like.

    Args:
        path: what was given.
        bench: whose it should be, as `--bench` has it.
        missing: what is not there, and what is wanted.
    """
    if not path.exists():
        return DataError(f"{printable(path)}: there is no such file or folder")
    other = recognise(path)
    hint = f"; this looks like another set: use --bench {other}" if other not in {None, bench} else ""
    return DataError(f"{printable(path)}: {missing}{hint}")
