"""Named runs: presets, and every setting of training with its unit and default.

Numbers are Mask2Former's (facebookresearch/Mask2Former, mask2former/config.py) unless a line says otherwise. Importing
this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from gvseg_core.config import InputSettings, ModelSettings, Settings, TrackSettings, load_yaml, parse
from gvseg_core.errors import ModelError, UsageError
from gvseg_core.registry import choose
from gvseg_core.types import TaskName

BUNDLED = "nano"
"""The model that comes with gvseg: a word that `--model` takes, and what is meant where it is left out."""
BUNDLED_NOTE = f"model: {BUNDLED}, the small one that comes with gvseg, for research use; --model takes others"

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Ints = Annotated[tuple[PositiveInt, ...], Field(strict=False)]
Range = Annotated[tuple[PositiveInt, PositiveInt], Field(strict=False)]
Positive = Annotated[float, Field(gt=0)]
Scales = Annotated[tuple[Positive, Positive], Field(strict=False)]


class SourceSettings(Settings):
    """One set that clips are drawn from."""

    benchmark: str  # a name of `--bench`, or coco, coco_panoptic, regions; auto: whatever is in the folder
    split: str = "train"
    weight: float = Field(default=1.0, gt=0)  # how often it is drawn, against the other sets
    task: TaskName | None = None  # what it teaches; the run's own by default
    vocabulary: str | None = None  # the class head it teaches; the set's own by default
    # The vocabulary its classes are mapped to, by the field's tables ("ytvis21"); own: all of the set's own.
    classes_as: str | None = None
    path: str | None = None  # below --data, or absolute; by default the set's name. Of synth: its settings
    pictures: str | None = None  # where the pictures of a COCO file are, below `path`, if not in a usual place
    partial: bool = False  # only some objects have labels: fit for evs alone
    objects: PositiveInt = 10  # that are given at once, at most; evs alone


class AugmentSettings(Settings):
    """What happens to the pictures of a clip, the same for all of its frames."""

    short_sides: Ints = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)  # px, one is drawn for each clip
    max_side: PositiveInt = 1333  # px
    crop: Share = 0.0  # how often a clip is cropped, before it is resized
    crop_short_sides: Ints = (400, 500, 600)  # px, to which it is resized for the crop
    crop_range: Range = (384, 600)  # px, of the crop's sides
    flip: Share = 0.5
    scale: Scales = (1.0, 1.0)  # a factor on the short side drawn from this range, log-uniformly
    jitter: Share = 0.0  # of brightness, contrast and saturation: factors from 1 - jitter to 1 + jitter
    rotation: float = Field(default=15.0, ge=0, le=180)  # degrees to either side, of pseudo-videos
    drift: Share = 0.0  # of its sides that a pseudo-video's view moves at most, to either side
    zoom: Weight = 0.0  # a pseudo-video's view grows or shrinks by this share at most, from its mean
    copy_paste: Share = 0.0  # how often objects of another picture are pasted into a pseudo-video

    @model_validator(mode="after")
    def _ranges_ascend(self) -> AugmentSettings:
        for name, (least, most) in (("crop_range", self.crop_range), ("scale", self.scale)):
            if least > most:
                raise ValueError(f"{name} is {least} to {most}, but the first is the smaller one")
        return self


class LossSettings(Settings):
    """How wrong a prediction is."""

    class_weight: Weight = 2.0
    mask_weight: Weight = 5.0
    dice_weight: Weight = 5.0
    no_object: Weight = 0.1  # weight of "no object" among the classes
    num_points: PositiveInt = 12544  # of a frame at which masks are compared
    oversample: float = Field(default=3.0, ge=1)
    importance: Share = 0.75  # of the points, where the mask is least certain
    place_weight: Weight = 0.0  # of how far from a thing its query starts, in matching alone; ours (losses/matching.py)
    pixel_weight: Weight = 0.0  # of the pixel decoder's own classes (losses/pixels.py); not Mask2Former's
    propagation_weight: Weight = 0.0  # of evs: labels carried over by mask features (losses/propagation.py)


class ContrastSettings(Settings):
    """Task-oriented temporal contrast (GvSEG §3.3)."""

    weight: Weight = 0.5  # ours to choose; 0 switches it off
    tau: float = Field(default=0.2, gt=0)  # of the descriptor's change, up to which a distant look is a positive
    queue: PositiveInt = 100  # queries of each class that are remembered
    near: PositiveInt = 5  # frames between a clip and a near one, at most; from there on it is distant
    distant: PositiveInt = 30  # frames, at most


class TrainSettings(Settings):
    """One training run."""

    data: Annotated[tuple[SourceSettings, ...], Field(strict=False, min_length=1)]
    steps: PositiveInt
    milestones: Annotated[tuple[PositiveInt, ...], Field(strict=False)] = ()  # steps after which lr is multiplied
    decay: float = Field(default=0.1, gt=0, le=1)  # by this
    warmup: NonNegativeInt = 0  # steps over which lr rises from 0
    batch_size: PositiveInt = 8  # samples a step, over all devices and accumulated parts
    micro_batch: PositiveInt | None = None  # samples at a time on one device; None is all of its share
    lr: float = Field(default=1.0e-4, gt=0)
    backbone_lr_scale: Weight = 0.1
    weight_decay: Weight = 0.05
    clip_norm: float = Field(default=0.01, gt=0)  # L2, of all gradients together
    amp: Literal["fp32", "bf16", "fp16"] = "bf16"
    clips: PositiveInt = 2  # of one video in a sample; the first is the key clip, others near or distant
    frame_range: PositiveInt = 2  # frames of a clip lie at most so far from its middle one
    augment: AugmentSettings = AugmentSettings()
    loss: LossSettings = LossSettings()
    contrast: ContrastSettings = ContrastSettings()
    ema: float | None = Field(default=None, gt=0, lt=1)  # decay of the averaged weights; None is none
    checkpointing: bool = False  # make activations again in the backward pass: slower, half the memory
    freeze_backbone: bool = False
    freeze_norms: bool = True  # batch statistics of a ResNet; False for one that begins from nothing
    seed: NonNegativeInt = 0
    workers: NonNegativeInt = 4  # processes that prepare samples
    log_every: PositiveInt = 20  # steps
    save_every: PositiveInt = 500
    validate_every: PositiveInt | None = None  # None: at the end alone
    validation: SourceSettings | None = None
    max_bad_steps: PositiveInt = 20  # steps in a row whose loss is not finite, after which training stops


class Preset(Settings):
    """One named run: what differs from the defaults, values only."""

    task: TaskName | None = None
    benchmark: str | None = None
    licence: str | None = None  # of the weights that come of it, as their file says; None: it says nothing
    model: ModelSettings = ModelSettings()
    input: InputSettings = InputSettings()
    tracking: TrackSettings = TrackSettings()
    train: TrainSettings | None = None

    @model_validator(mode="after")
    def _trains_for_something(self) -> Preset:
        if self.train is not None and self.task is None and any(source.task is None for source in self.train.data):
            raise ValueError("a set says nothing of its task, and neither does the preset")
        return self


def presets() -> dict[str, Path]:
    """The presets that came with gvseg, by name: beside the package in a checkout, inside it in a wheel."""
    return {path.stem: path for path in sorted(_folder().glob("*.yaml"))}


def bundled_weights() -> Path:
    """The file of the model `BUNDLED`, which lies among the presets.

    Raises:
        ModelError: this installation lacks it.
    """
    path = _folder() / f"{BUNDLED}.safetensors"
    if not path.is_file():
        raise ModelError(f"{path}: not there, and comes with gvseg; install gvseg anew, or choose another --model")
    return path


def load_preset(name_or_file: str, changes: Mapping[str, Any] | None = None) -> Preset:
    """A preset by its name, or from a YAML file.

    A file may say `extends: NAME`, one step and no further: what it states replaces what that preset states.

    Args:
        changes: settings, nested, that replace the file's.

    Raises:
        UsageError: no such preset, or a setting in it that is not one.
    """
    path = _find(name_or_file)
    values = load_yaml(path)
    base = values.pop("extends", None)
    if base is not None:
        if not isinstance(base, str):
            raise UsageError(f"{path.name}: extends: wanted the name of a preset, found {base!r}")
        under = load_yaml(_find(base))
        if "extends" in under:
            raise UsageError(f"{path.name}: extends {base}, which extends {under['extends']}; one step is allowed")
        values = merged(under, values)
    return parse(Preset, merged(values, changes or {}), path.name)


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`under` with what `over` states in its place, setting by setting; lists are replaced whole."""
    result = dict(under)
    for key, value in over.items():
        known = result.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        result[key] = merged(known, value) if both else value  # type: ignore[arg-type]
    return result


def _folder() -> Path:
    here = Path(__file__).parent
    return next((f for f in (here / "presets", here.parent / "presets") if f.is_dir()), here / "presets")


def _find(name_or_file: str) -> Path:
    path = Path(name_or_file)
    return path if path.suffix in {".yaml", ".yml"} else choose("preset", presets(), name_or_file)
