"""The answers that make one network task-oriented: one file per task.

A task is made of the network's query sources, a vocabulary, its own settings (`settings_type`), how things are tracked,
and the learnt projection of descriptors where there is one: `TASKS["vis"](queries, vocabulary, settings, tracking,
projection)`.
"""

from __future__ import annotations

from gvseg_core.tasks.evs import Evs
from gvseg_core.tasks.vis import Vis
from gvseg_core.tasks.vps import Vps
from gvseg_core.tasks.vss import Vss

TASKS = {"vis": Vis, "vss": Vss, "vps": Vps, "evs": Evs}

__all__ = ["TASKS", "Evs", "Vis", "Vps", "Vss"]
