"""What a run leaves for people and programs: a JSONL log that resuming continues, curves of it, TensorBoard if asked.

Each line of the log is one record: `{"kind": "step", "step": 20, "loss": …}` or `{"kind": "validation", …}`. A resumed
run first drops what was logged after the step it goes on from, so that the log is that of a run never interrupted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gvseg_core.errors import UsageError
from gvseg_core.files import PartFile, writing

LOG = "log.jsonl"


class RunLog:
    """The log of one run folder.

    Args:
        folder: of the run; it exists.
        step: steps done so far; what was logged for later ones is dropped.
        tensorboard: write event files too.

    Raises:
        UsageError: TensorBoard is wanted and not installed.
        OutputError: the log cannot be written.
    """

    def __init__(self, folder: Path, step: int = 0, *, tensorboard: bool = False) -> None:
        self.path = folder / LOG
        kept = [record for record in read_log(folder) if record["step"] <= step] if step else []
        with PartFile(self.path, overwrite=True) as part, writing(self.path):
            part.path.write_text("".join(_line(record) for record in kept), encoding="utf-8")
        self._writer: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise UsageError("--tensorboard needs the extra: pip install 'gvseg[tensorboard]'") from None
            self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def add(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Append one record, on the disk when this returns to the system's care."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line({"kind": kind, "step": step, **values}))
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(f"{kind}/{name}", value, step)
            self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Every whole record of a run folder's log; [] where there is none. A line cut by a crash is left out."""
    path = folder / LOG
    if not path.is_file():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int):
            records.append(record)
    return records


def draw_curves(folder: Path) -> list[Path]:
    """`losses.png`, and `metrics.png` once there was a validation: one panel a quantity, over steps.

    Raises:
        OutputError: a picture cannot be written.
    """
    records = read_log(folder)
    steps = [record for record in records if record["kind"] == "step"]
    checks = [record for record in records if record["kind"] == "validation"]
    drawn = []
    for name, chosen in (("losses.png", steps), ("metrics.png", checks)):
        if chosen:
            _draw(folder / name, chosen)
            drawn.append(folder / name)
    return drawn


def _draw(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    from matplotlib.figure import Figure  # takes a while; no window, no global state

    names = sorted({name for record in records for name, value in record.items() if _is_quantity(name, value)})
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for number, name in enumerate(names, start=1):
        points = [(record["step"], record[name]) for record in records if record.get(name) is not None]
        axes = figure.add_subplot(rows, columns, number)
        axes.plot(*zip(*points, strict=True), marker="." if len(points) < 40 else "", linewidth=1)
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=7)
    with PartFile(path, overwrite=True) as part, writing(path):
        figure.savefig(part.path, format="png", dpi=110)


def _is_quantity(name: str, value: object) -> bool:
    return name != "step" and isinstance(value, int | float) and not isinstance(value, bool)


def _line(record: Mapping[str, Any]) -> str:
    """One line of JSON; what is not finite, which JSON does not have, is null."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    return json.dumps(finite) + "\n"
