"""What a clip should have been answered: its targets on the padded pixels that the network sees.

Targets share no pixel, so that a clip of any number of them is one map of labels, and no mask is made of full size.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from gvseg_core.ops.shape_position import shape_position
from gvseg_core.types import VOID, LabelledClip, Size

FREE = -1
"""In place of a query's row: any query that is free may answer."""

_NOBODY = 0
_CELL = 8  # pixels: where shapes are described, as in the decoder


@dataclass(frozen=True, slots=True)
class Targets:
    """All that is true of one clip. A batch is a sequence of these."""

    class_ids: Tensor  # (N,) int64
    track_ids: Tensor  # (N,) int64
    labels: Tensor  # (T, Hp, Wp) int16: n + 1 where target n is seen, 0 where none is, VOID where nothing may be learnt
    is_thing: Tensor  # (N,) bool: an object by itself; False where the class is the identity
    rows: tuple[int, ...]  # N: the query that has to answer for each, or FREE; on the host, where matching happens
    picture_size: Size  # of the picture inside the padding
    has_void: bool = True  # False: no label is VOID

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def masks(self) -> Tensor:
        """(N, T, Hp, Wp) bool."""
        return self.labels == self.numbers[:, None, None, None]

    @property
    def numbers(self) -> Tensor:
        """(N,) what stands for each target in `labels`: 1 … N."""
        return torch.arange(1, len(self) + 1, dtype=self.labels.dtype, device=self.labels.device)

    @property
    def presence(self) -> Tensor:
        """(N, T) bool: the frames on which each target is seen."""
        return self.masks.flatten(2).any(-1)

    @property
    def centres(self) -> Tensor:
        """(N, 2) float32 x, y as shares of the padded picture, of what is seen on the middle frame; NaN for nothing."""
        masks = self.masks[:, len(self.labels) // 2].float()
        h, w = masks.shape[1:]
        x, y = ((torch.arange(n, device=masks.device) + 0.5) / n for n in (w, h))
        return torch.stack([masks.sum(1) @ x, masks.sum(2) @ y], dim=1) / masks.sum((1, 2))[:, None]

    def to(self, device: torch.device | str) -> Targets:
        """The same on another device."""
        names = "class_ids", "track_ids", "labels", "is_thing"
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


def targets_of(
    clip: LabelledClip, padded_size: Size, *, things: Collection[int], rows: Sequence[int] | None = None
) -> Targets:
    """The targets of a clip whose pictures were padded at the right and bottom.

    As in Mask2Former padding is known to be nothing, so that queries learn to leave it alone; where it should not count
    at all, the clip brings it along as void.

    Args:
        clip: as the data has it, on the CPU.
        padded_size: (Hp, Wp).
        things: the class ids that are followed object by object; none where classes are identities (vss).
        rows: the query that has to answer for each target (`bound`), or FREE; by default all are free.

    Raises:
        ValueError: the clip does not fit, or `rows` are not one for each target.
    """
    size = int(clip.labels.shape[-2]), int(clip.labels.shape[-1])
    missing = padded_size[0] - size[0], padded_size[1] - size[1]
    if min(missing) < 0:
        raise ValueError(f"a clip of {size} does not fit into {padded_size}")
    class_ids = clip.class_ids.tolist()
    rows = (FREE,) * len(class_ids) if rows is None else tuple(rows)
    if len(rows) != len(class_ids):
        raise ValueError(f"{len(rows)} rows for {len(class_ids)} targets")
    return Targets(
        class_ids=clip.class_ids,
        track_ids=clip.track_ids,
        labels=F.pad(clip.labels, (0, missing[1], 0, missing[0]), value=_NOBODY),
        is_thing=torch.tensor([class_id in things for class_id in class_ids], dtype=torch.bool),
        rows=rows,
        picture_size=size,
        has_void=bool((clip.labels == VOID).any()),
    )


def bound(ids: Tensor, owners: Sequence[int], first: int = 0) -> tuple[int, ...]:
    """The rows of queries that each speak for one class or one track.

    Args:
        ids: (N,) class or track ids of the targets, on the CPU.
        owners: query `first` + i speaks for `owners[i]`: all classes (vss), the stuff classes after `first` queries for
            things (vps), or the tracks that were pointed at (evs).

    Returns:
        N rows; FREE for ids that no query speaks for.
    """
    row_of = {owner: first + i for i, owner in enumerate(owners)}
    return tuple(row_of.get(i, FREE) for i in ids.tolist())


def class_map(targets: Targets, size: Size, nobody: int = VOID) -> Tensor:
    """(T, h, w) int64: the class in each cell's middle; VOID where nothing may be learnt, `nobody` where none is."""
    classes = torch.cat([targets.class_ids.new_tensor([VOID, nobody]), targets.class_ids])
    return classes[owner_map(targets, size) - VOID]


def owner_map(targets: Targets, size: Size) -> Tensor:
    """(T, h, w) int64: what `Targets.labels` says of each cell's middle."""
    return F.interpolate(targets.labels[:, None].float(), size, mode="nearest-exact")[:, 0].long()


def true_shapes(targets: Targets, d_model: int = 256) -> Tensor:
    """Shape–position descriptor of each target: the mean over the frames that show it, as the decoder takes it.

    Args:
        targets: of one clip.
        d_model: of the descriptor, the network's.

    Returns:
        (N, 36·12) float32; 0 for a target that is too small to be seen at stride 8.
    """
    h, w = (-(-side // _CELL) for side in targets.labels.shape[-2:])
    small = F.interpolate(targets.labels[:, None].float(), (h, w), mode="nearest-exact")[:, 0].to(targets.labels)
    masks = small == targets.numbers[:, None, None, None]
    height, width = targets.labels.shape[-2:]
    cells = targets.picture_size[0] * h / height, targets.picture_size[1] * w / width
    described = shape_position(masks, cells, d_model=d_model)  # (N, T, D)
    shown = described.ne(0).any(-1).sum(1).clamp(min=1)
    return described.sum(1) / shown[:, None]
