"""What was seen of the objects that were pointed at, cell by cell, and where it has gone.

A query says what an object looks like as a whole. It is asked together with the pixels: what a cell shows looks most
like what some cells of the frames before showed, and whose were those? What we chose:

- a query is worth what it can do: as much as its mask fitted the one that was given for it, on the frame it was given;
- where nothing of an object is left among the pixels it is for its query alone to find it again, if it is worth that;
- of earlier frames, the one on which an exemplar was given last is never forgotten, as nothing on it is a guess; of the
  others the latest are remembered. An exemplar begins all anew, because frames before it cannot tell a new object from
  what is none;
- of two that look alike and have passed each other, `Encounters` says which is which.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from gvseg_core.ops.propagation import Labelled, propagate
from gvseg_core.ops.regions import Grid, centres
from gvseg_core.track.encounters import Encounters

_LATEST = 2  # frames
_SURE = 0.02  # the least share of each object, and of nobody, that pixels or a query speak of: either may be wrong
_LEAST, _MOST = 0.5, 0.8  # IoU of a query's mask with a given one, from which on it counts, and counts in full
_LEFT = 0.5  # share of some cell; an object that has less is not among the pixels any more


class PixelMemory:
    """Remembers frames of one video; its objects are rows, in the order in which they were pointed at first."""

    def __init__(self, propagation: float, radius: int) -> None:
        """`propagation`: what pixels count beside a query that is worth all; `radius`: see `propagate`."""
        self._propagation, self._radius = propagation, radius
        self._first: Labelled | None = None
        self._latest: deque[Labelled] = deque(maxlen=_LATEST)
        self._worth: list[float] = []  # of each row's query, 0 … 1
        self._encounters = Encounters()

    def follow(self, looks: Tensor, logits: Tensor, given: Collection[int], covers: Mapping[int, Tensor]) -> Tensor:
        """Say where the objects are on one frame, and remember it.

        Args:
            looks: (C, h, w) of its cells, see `ops.propagation`.
            logits: (N, h, w) what their queries say.
            given: the rows that are pointed at on this frame; their logits stay as they are.
            covers: row → (h, w) share of each cell under its mask, of those that are given by one.

        Returns:
            (N, h, w) logits; softmax of them and 0 gives shares.
        """
        self._judge(logits, covers)
        mixed = logits.clone()
        carried = self._carried(looks)
        if carried is not None:
            known = [row for row in range(len(carried)) if row not in given]
            mixed[known] = self._mixed(logits, carried)[known]
        shares = torch.cat([torch.zeros_like(mixed[:1]), mixed]).softmax(0)[1:]
        if covers:
            masks = torch.stack(list(covers.values())).to(shares)
            shares *= 1 - masks.sum(0).clamp(max=1)
            shares[list(covers)] = masks
        order = self._settle(Labelled(looks, shares), given)
        self._keep(Labelled(looks, shares[order]), anew=bool(given))
        return mixed[order]

    def _judge(self, logits: Tensor, covers: Mapping[int, Tensor]) -> None:
        """What the queries of objects that are given by a mask are worth; others must be believed."""
        self._worth += [1.0] * (len(logits) - len(self._worth))
        for row, cover in covers.items():
            found, true = logits[row] > 0, cover.to(logits.device) > 0.5
            iou = float((found & true).sum() / (found | true).sum().clamp(min=1))
            self._worth[row] = min(max((iou - _LEAST) / (_MOST - _LEAST), 0.0), 1.0)

    def _carried(self, looks: Tensor) -> Tensor | None:
        """(N', h, w) share of each cell that each object has that is known by now; None where there is none."""
        if self._first is None or self._first.looks.shape != looks.shape:
            return None
        return propagate(looks, [self._first, *self._latest], self._radius)

    def _mixed(self, logits: Tensor, carried: Tensor) -> Tensor:
        """(N', h, w) of the objects that are known by now."""
        nobody = (1 - carried.sum(0)).clamp(min=_SURE)
        seen = (carried.clamp(min=_SURE) / nobody).log()
        bound = torch.tensor(1 / _SURE - 1).log().item()
        worth = torch.tensor(self._worth[: len(carried)], device=logits.device)
        is_left = carried.flatten(1).amax(1) >= _LEFT
        share = torch.where(is_left | (worth == 0), 1 - (1 - self._propagation) * worth, 0.0)
        return torch.lerp(logits[: len(carried)].clamp(-bound, bound), seen, share[:, None, None])

    def _settle(self, frame: Labelled, given: Collection[int]) -> list[int]:
        """For each row the row whose labels are its own. Rows that are taken for each other now were so on the frames
        before, too; those are put right."""
        masks = frame.labels > 0.5
        size = int(masks.shape[1]), int(masks.shape[2])
        ways = centres(masks[:, None], Grid(size, size, size, size))[:, 0]  # in cells
        for row in given:
            inside = masks[row].to(frame.looks.dtype)
            self._encounters.begin(row, ways[row], (frame.looks * inside).sum((1, 2)) / inside.sum())
        order = self._encounters.settle(ways, given)
        if order != sorted(order):
            for known in self._latest:
                known.labels[:] = known.labels[order]
        return order

    def _keep(self, frame: Labelled, *, anew: bool) -> None:
        if anew or self._first is None:
            self._first = frame
            self._latest.clear()
        else:
            self._latest.append(frame)
