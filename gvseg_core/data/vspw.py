"""VSPW: the 124 classes of VIPSeg in the order of the set's numbers, 0 to 123.

In the set's own PNG files they are 1 to 124, and 0 is void. VSPW publishes no colours: those of VIPSeg, which
annotates the same videos, are used.
"""

from __future__ import annotations

from gvseg_core.data.classes import parse_classes
from gvseg_core.data.vipseg import TABLE
from gvseg_core.types import Vocabulary

VSPW = Vocabulary("vspw", parse_classes(TABLE))
