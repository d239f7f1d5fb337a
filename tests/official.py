"""What others make of a frame: the library's own Mask2Former, and the official rules in their plainest form.

Nothing here is fast, and nothing is ours: pictures are resized by Pillow, the model is that of `transformers`, and
masks are resized whole, one step after the other. Sizes and rules are those of detectron2 and DVIS.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from gvseg_core.types import Size, Vocabulary

Mask = NDArray[np.bool_]

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet; RGB, 0 … 255
DIVISOR = 32


@dataclass(frozen=True)
class Region:
    """Pixels that are marked on one frame."""

    query: int  # of a stuff region that several queries share, the first
    class_id: int
    mask: Mask  # (H, W)


@dataclass(frozen=True)
class Answer:
    """What the library's model says of one frame."""

    pixels: Tensor  # (1, 3, Hp, Wp) that it was shown
    embeddings: Tensor  # (Q, C) that the class head looks at
    class_logits: Tensor  # (Q, K + 1)
    mask_logits: Tensor  # (Q, h, w)
    input_size: Size
    source_size: Size

    @property
    def class_probs(self) -> Tensor:
        """(Q, K), "no object" dropped."""
        return self.class_logits.softmax(-1)[:, :-1]

    def at_input(self) -> Tensor:
        """(Q, H', W') logits at the size of the resized picture."""
        padded = _resized(self.mask_logits, (self.pixels.shape[-2], self.pixels.shape[-1]))
        return padded[:, : self.input_size[0], : self.input_size[1]]


def ask(model: Any, image: NDArray[np.uint8], short_side: int, max_side: int = 1333) -> Answer:
    """Show a picture (H, W, 3) to a `Mask2FormerForUniversalSegmentation`."""
    source = image.shape[0], image.shape[1]
    scale = short_side / min(source)
    if max(source) * scale > max_side:
        scale = max_side / max(source)
    height, width = (int(side * scale + 0.5) for side in source)
    resized = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR), np.float32)
    normalised = (torch.from_numpy(resized) - torch.tensor(MEAN)) / torch.tensor(STD)
    pixels = F.pad(normalised.permute(2, 0, 1), (0, -width % DIVISOR, 0, -height % DIVISOR))[None]
    with torch.inference_mode():
        found = model(pixel_values=pixels)
        embeddings = model.model.transformer_module.decoder.layernorm(found.transformer_decoder_last_hidden_state)[0]
    logits = found.class_queries_logits[0], found.masks_queries_logits[0]
    return Answer(pixels, embeddings, *logits, (height, width), source)


def instances(answer: Answer, conf: float) -> list[Region]:
    """Every query with its best class, where that scores `conf`: logits at source size above 0."""
    scores, class_ids = answer.class_probs.max(-1)
    masks = (_resized(answer.at_input(), answer.source_size) > 0).numpy()
    return [
        Region(query, int(class_ids[query]), mask)
        for query, mask in enumerate(masks)
        if scores[query] >= conf and mask.any()
    ]


def semantic(answer: Answer) -> NDArray[np.int64]:
    """(H, W) class of every pixel: most class probability × mask probability over all queries."""
    probs = _resized(answer.at_input().sigmoid(), answer.source_size)
    return torch.einsum("qc,qhw->chw", answer.class_probs, probs).numpy().argmax(0)


def panoptic(answer: Answer, conf: float, things: Collection[int], overlap: float = 0.8) -> list[Region]:
    """Regions that share no pixel: queries surer than `conf` compete, and who is mostly covered goes."""
    probs = answer.class_logits.softmax(-1)
    scores, class_ids = probs.max(-1)
    nothing = probs.shape[1] - 1
    kept = [query for query in range(len(probs)) if class_ids[query] != nothing and scores[query] > conf]
    if not kept:
        return []
    masks = _resized(answer.at_input().sigmoid(), answer.source_size)[kept].numpy()
    winner = (scores[kept].numpy()[:, None, None] * masks).argmax(0)
    regions: list[Region] = []
    for place, query in enumerate(kept):
        won, own = winner == place, masks[place] >= 0.5
        if not (won & own).any() or won.sum() / own.sum() < overlap:
            continue
        class_id = int(class_ids[query])
        opened = next((r for r in regions if r.class_id == class_id and class_id not in things), None)
        if opened is None:
            regions.append(Region(query, class_id, won & own))
        else:
            opened.mask[won & own] = True
    return regions


def write_with_head(source: Path, folder: Path, seen: Tensor, classes: Vocabulary, seed: int = 0) -> Path:
    """A Hugging Face folder with another class head on it, which finds many classes on every picture.

    A random head would have one class win everywhere: embeddings of a picture differ less among themselves than from
    those of another. This one looks only at what tells the queries of a picture apart.

    Args:
        source: the folder to start from.
        folder: where it goes.
        seen: (F, Q, C) embeddings on F pictures.
        classes: that it speaks of; their names stand in the folder.
        seed: of the head's random weights.
    """
    means = seen.mean(1)
    between = means - means.mean(0)
    weight = torch.randn(len(classes) + 1, seen.shape[2], generator=torch.Generator().manual_seed(seed))
    weight -= weight @ torch.linalg.pinv(between, rtol=1e-3) @ between
    weight *= 3 / ((seen - means[:, None]) @ weight.T).std()
    state = load_file(source / "model.safetensors")
    state["class_predictor.weight"] = weight
    state["class_predictor.bias"] = -weight @ means.mean(0)
    state["criterion.empty_weight"] = torch.ones(len(classes) + 1)  # of a loss; its length must agree
    config = json.loads((source / "config.json").read_text())
    config["id2label"] = {str(i): info.name for i, info in enumerate(classes.classes)}
    config["label2id"] = {info.name: i for i, info in enumerate(classes.classes)}
    folder.mkdir()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _resized(values: Tensor, size: Size) -> Tensor:
    return F.interpolate(values[None], size, mode="bilinear", align_corners=False)[0]
