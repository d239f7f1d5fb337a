"""The archive that a benchmark's server takes: results checked by its rules, then zipped, whole or not at all.

Only what the layout lists goes in. The same files give the same bytes: sorted, all of one date. PNG is stored as it is,
JSON is deflated. BURST has no server (its truth is public); its archive holds what its evaluator reads.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

from gvseg_core.files import PartFile, writing
from gvseg_core.registry import choose
from gvseg_core.sinks.official import LAYOUTS, VideoFacts
from gvseg_core.types import Vocabulary

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date an archive can hold
_UNIX, _MODE = 3, 0o100644


def check_submission(
    benchmark: str,
    folder: Path,
    videos: Sequence[VideoFacts],
    vocabulary: Vocabulary,
    *,
    limit: int | None = None,
) -> list[str]:
    """Hold a folder of results against the rules of a benchmark's server.

    Args:
        benchmark: a name of `LAYOUTS`.
        folder: as `Layout.assemble` leaves it, whoever made it.
        videos: all videos of the split.
        limit: most predictions a video, where the server takes a limited number.

    Returns:
        One line for each thing worth knowing that breaks no rule: videos without predictions, files of no frame.

    Raises:
        UsageError: there is no such benchmark.
        DataError: says what is missing or wrong, and where.
    """
    return choose("benchmark", LAYOUTS, benchmark).check(folder, videos, vocabulary, limit)


def make_submission(
    benchmark: str,
    folder: Path,
    zip_path: Path,
    videos: Sequence[VideoFacts],
    vocabulary: Vocabulary,
    *,
    limit: int | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Check a folder of results and write the archive that the server takes.

    Args, returns and raises as `check_submission`; besides:

    Raises:
        OutputError: the archive exists and is not to be replaced, or cannot be written.
    """
    with PartFile(zip_path, overwrite) as part:  # before the check, which may take minutes
        notes = check_submission(benchmark, folder, videos, vocabulary, limit=limit)
        names = sorted(LAYOUTS[benchmark].members(videos))
        with writing(zip_path), zipfile.ZipFile(part.path, "w") as archive:
            for name in names:
                _add(archive, name, folder / name)
    return notes


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = _UNIX, _MODE << 16
    info.compress_type = zipfile.ZIP_STORED if path.suffix == ".png" else zipfile.ZIP_DEFLATED
    info.file_size = path.stat().st_size  # so that a large file gets a large file's header
    with path.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)
