"""Annotations in one block of memory that worker processes share, instead of a copy in each.

Source of the idea: detectron2, `data/common.py` (`_TorchSerializedList`): Python objects in a list are copied into
every worker, and once more as their reference counts change; a tensor travels as a handle. Entries here are JSON text,
not pickles.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch


class Packed:
    """A read-only list of plain data; an entry is decoded anew each time it is asked for.

    Args:
        texts: each entry as JSON.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        packed, ends = bytearray(), [0]
        for text in texts:
            packed += text.encode()
            ends.append(len(packed))
        self._text = torch.frombuffer(packed, dtype=torch.uint8) if packed else torch.empty(0, dtype=torch.uint8)
        self._ends = torch.tensor(ends)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        begin, end = self._ends[index : index + 2].tolist()
        return json.loads(self._text[begin:end].numpy().tobytes())
