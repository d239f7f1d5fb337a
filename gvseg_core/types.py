"""The nouns every room shares: frozen dataclasses and Protocols, hardly any logic.

Letters: B clips, T frames in a clip, Q queries, C channels, K classes ("no object" is index K), H, W source pixels,
h, w feature cells. Sizes are (H, W), boxes xyxy in pixels, pictures RGB, times `Fraction` seconds.

Importing this module does not import torch: tensors are named in annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Size = tuple[int, int]
"""(H, W) in pixels."""

Share = tuple[float, float] | tuple["Tensor", "Tensor"]
"""Height and width of the unpadded picture as shares of the padded one; tensors in an exported graph."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; x1, y1 exclusive."""

TaskName = Literal["vis", "vss", "vps", "evs"]

VOID = -1
"""The class id of a region of ground truth that belongs to no class."""


# --- what a frame holds -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rle:
    """One binary mask, run-length encoded as COCO does: column-major, the first run counts zeros, compressed string.

    `gvseg_core.ops.rle` encodes, checks and decodes; nothing else calls pycocotools.
    """

    size: Size
    counts: bytes


@dataclass(frozen=True, slots=True)
class Prompt:
    """One object pointed at on one frame: exactly one of mask, box and point is given."""

    track_id: int  # 1 ≤ id ≤ 254 for palette PNG; it names the object in every output
    mask: Rle | None = None  # at the video's H × W
    box: Box | None = None
    point: tuple[float, float] | None = None  # x, y in pixels


@dataclass(frozen=True, slots=True)
class Exemplar:
    """Everything pointed at on one frame (exemplar-guided segmentation)."""

    prompts: tuple[Prompt, ...]


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture: what every source yields."""

    index: int  # its number in the source, from 0; consecutive unless a range or stride was asked for
    time: Fraction  # seconds, exact; frame rates may vary
    image: Tensor  # (3, H, W) uint8 RGB, upright; often a view of (H, W, 3) memory
    exemplar: Exemplar | None = None  # EVS: objects given on this frame, the first or a later one


@dataclass(frozen=True, slots=True)
class Segment:
    """One region of one frame."""

    track_id: int  # ≥ 1, the same object for ever; where the class is the identity, class_id + 1
    class_id: int  # index into the vocabulary; VOID in ground truth where there is no class
    score: float  # in [0, 1]
    mask: Rle  # at H × W; never empty
    ignore: bool = False  # ground truth only: crowd or void


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All that was found on one frame or, for ground truth, all that is there."""

    frame: Frame
    segments: Sequence[Segment]  # a tuple, or `ops.label_maps.MapSegments` where they came as a map
    problem: str = ""  # why nothing could be said of this frame, one line; empty on nearly every frame


@dataclass(frozen=True, slots=True)
class Track:
    """One object (or one class of a semantic map) summed up over its video."""

    track_id: int
    class_id: int
    score: float  # over the whole video, in [0, 1]
    first_frame: int  # `Frame.index` where it is first and last visible
    last_frame: int
    num_frames: int  # frames on which it is visible; 0 for a query that was followed but never covered a pixel
    class_scores: tuple[float, ...] = ()  # (K,) probabilities over the video, where the task has them
    ignore: bool = False  # ground truth only: crowd
    details: Mapping[str, Any] = field(default_factory=dict)  # what a data set says of it besides, in its own words


# --- classes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """One class of a vocabulary."""

    name: str
    color: tuple[int, int, int]  # RGB, the data set's own
    is_thing: bool = True  # countable object; else "stuff"
    dataset_id: int = 0  # the number the data set's own files use


@dataclass(frozen=True)
class Vocabulary:
    """The classes a class head speaks of, in the order of its logits."""

    name: str
    classes: tuple[ClassInfo, ...]

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def thing_ids(self) -> frozenset[int]:
        """The class ids of countable objects."""
        return frozenset(i for i, c in enumerate(self.classes) if c.is_thing)


# --- videos -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video before its first frame is decoded."""

    name: str  # for people and for output names: the file's stem, the folder's name, "stdin", "demo"
    size: Size  # of the upright picture
    rate: Fraction | None = None  # mean frames a second; None when nobody says
    time_base: Fraction = Fraction(1, 90000)  # in which its timestamps are exact
    num_frames: int | None = None  # a hint for progress, never a promise
    duration: Fraction | None = None  # seconds; a hint too
    sample_aspect: Fraction = Fraction(1)  # pixel width : height of the upright picture
    path: Path | None = None  # a file that can be opened again, for its sound
    origin: Fraction = Fraction(0)  # seconds on that file's own clock at which time 0 lies; its sound runs by it
    has_audio: bool = False
    details: Mapping[str, str] = field(default_factory=dict)  # codec, pixel format, rotation …, for JSON and -v


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a video ended: what sinks need to finish their files honestly."""

    tracks: tuple[Track, ...]
    num_frames: int  # results written
    complete: bool = True  # False when the input was cut or damaged, or the run interrupted
    reason: str = ""  # why it is not complete, one line


@runtime_checkable
class VideoSource(Protocol):
    """An open video. Frames come in order, once; problems that did not stop it are in `problems` afterwards."""

    info: VideoInfo
    problems: list[str]  # one line each: "damaged: 28 of 50 frames could be decoded"; empty if all went well

    def __iter__(self) -> Iterator[Frame]: ...
    def close(self) -> None: ...


class Sink(Protocol):
    """Where results go. A file appears whole, at `end`, or not at all."""

    def begin(self, video: VideoInfo) -> None: ...
    def write(self, result: FrameResult) -> None: ...
    def end(self, outcome: Outcome) -> None: ...
    def abort(self) -> None:
        """Give up: remove part files, close what is open. Safe at any time, more than once."""


@runtime_checkable
class DraftingSink(Sink, Protocol):
    """A sink part of whose work on a frame does not depend on other frames, and may be done beforehand."""

    def draft(self, result: FrameResult) -> Any:
        """That part; in any thread, for several frames at once."""

    def write(self, result: FrameResult, draft: Any = None) -> None:
        """`draft` is what was made of the result, or None if nothing was."""


# --- between the parts of the network -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clip:
    """T frames made ready for the network, and what is needed to go back to source pixels."""

    frames: tuple[Frame, ...]
    pixels: Tensor  # (T − num_seen, 3, Hp, Wp) normalised, padded with 0 at the right and bottom
    input_size: Size  # of the resized picture inside the padding
    source_size: Size  # H, W of the frames
    num_seen: int = 0  # leading frames that the clip before had, too: their features are known, their results have left

    @property
    def padded_size(self) -> Size:
        """(Hp, Wp)."""
        return int(self.pixels.shape[-2]), int(self.pixels.shape[-1])


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """T frames of one video with all that is true of them, as training draws them: augmented, not yet normalised.

    A pixel belongs to one target at most. Where a class is the identity (stuff, semantic maps) it is one target, with
    class_id + 1 as its track id, which no object of the clip has.
    """

    pixels: Tensor  # (T, 3, H, W) uint8 RGB
    labels: Tensor  # (T, H, W) int16: n + 1 where target n is seen, 0 where none is, VOID where nothing may be learnt
    class_ids: Tensor  # (N,) int64, into the vocabulary that the sample names
    track_ids: Tensor  # (N,) int64; the same object has the same id in every clip of its sample
    indices: tuple[int, ...]  # of the frames in their video
    video: str = ""  # for messages

    @property
    def masks(self) -> Tensor:
        """(N, T, H, W) bool; none is empty on all frames."""
        numbers = self.class_ids.new_ones(len(self.class_ids)).cumsum(0).to(self.labels)  # 1 … N
        return self.labels == numbers[:, None, None, None]

    @property
    def void(self) -> Tensor:
        """(T, H, W) bool: pixels of which nothing may be learnt (void, crowd, what a rotation left empty)."""
        return self.labels == VOID


@dataclass(frozen=True, slots=True)
class Features:
    """What the pixel decoder makes of B clips of T frames."""

    multi_scale: tuple[Tensor, ...]  # (B, T, C, h, w) at strides 32, 16, 8, in that order
    mask_features: Tensor  # (B, T, Cm, h, w) at stride 4


@dataclass(frozen=True, slots=True)
class Queries:
    """What the decoder starts from."""

    content: Tensor  # (B, Q, C)
    position: Tensor  # (B, Q, C)
    is_thing: Tensor | None = None  # (Q,) bool: which queries get a shape–position descriptor; None is all of them
    places: Tensor | None = None  # (B, Q, 2) x, y as shares of the padded picture: where they start; NaN is nowhere


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the decoder answers: logits and embeddings, nothing decided, full masks only where asked for."""

    class_logits: Tensor  # (B, Q, K + 1) float32; the last is "no object"
    embeddings: Tensor  # (B, Q, C) float32, after the decoder's last norm
    mask_embeddings: Tensor  # (B, Q, Cm)
    mask_features: Tensor  # (B, T, Cm, h, w)
    descriptors: Tensor | None = None  # (B, Q, T, U·V) float32 shape–position of the masks; None when not computed
    auxiliary: tuple[tuple[Tensor, Tensor], ...] = ()  # (class_logits, mask_embeddings) after 0, 1, … layers

    def mask_logits(self, rows: Tensor | None = None) -> Tensor:
        """(B, N, T, h, w) float32 logits at stride 4 of the queries in `rows` (N,), of all by default."""
        queries = self.mask_embeddings if rows is None else self.mask_embeddings[:, rows]
        b, t, c, h, w = self.mask_features.shape
        features = self.mask_features.transpose(1, 2).reshape(b, c, t * h * w)
        return (queries @ features).float().view(b, queries.shape[1], t, h, w)


@dataclass(frozen=True, slots=True)
class Proposals:
    """One clip's answer, decided per query and back in source pixels; who is who is the tracker's to say.

    A task fills it from a `Prediction` of one clip (B = 1); its tensors are on the CPU. `render` makes masks only when
    they are wanted: full resolution costs more than everything else here together.
    """

    class_logits: Tensor  # (Q, K + 1) float32
    embeddings: Tensor  # (Q, C) float32
    descriptors: Tensor | None  # (Q, T, U·V) float32
    rows: tuple[int, ...]  # queries the task kept
    class_ids: tuple[int, ...]  # one per row
    scores: tuple[float, ...]  # one per row, in [0, 1]
    render: Callable[[Sequence[int]], list[tuple[Rle | None, ...]]]
    """Kept queries → for each, T masks at source size; None where empty. Where a task lets no two regions share a
    pixel, the queries asked for together divide it among themselves."""
    places: Tensor | None = None  # (rows, T, 3) x, y of each mask's centre and its area, in source pixels; NaN: no mask
    fit: Tensor | None = None  # (N, Q) how well each query fits each exemplar of the clip's first frame; evs alone


class Tracker(Protocol):
    """The memory of one video."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Everything that was named so far, by ascending id; complete once the frames have ended."""

    def update(self, proposals: Proposals, clip: Clip) -> Iterator[FrameResult]:
        """Name what was proposed; every frame of the clip leaves exactly once, in order."""


class Task(Protocol):
    """What one kind of segmentation asks for; the network is the same for all four (GvSEG)."""

    name: TaskName
    vocabulary: Vocabulary  # what `Segment.class_id` means
    head: str  # the class head of the network that answers

    @property
    def needs_descriptors(self) -> bool:
        """Whether its tracker looks at shape and position."""

    @property
    def looks_back(self) -> bool:
        """Whether `wants` and `init_queries` depend on what was found so far; then a clip has to wait for the one
        before. A task that does not look back wants every clip."""

    def wants(self, clip: Clip, tracker: Tracker) -> bool:
        """Whether there is anything to look for in this clip; if not, the network need not run."""

    def init_queries(self, features: Features, clip: Clip, tracker: Tracker) -> Queries:
        """What the decoder starts from; `evs` learns its exemplars here, and keeps them in the tracker."""

    def decode(self, prediction: Prediction, clip: Clip, tracker: Tracker) -> Proposals:
        """From logits to decisions, clip by clip; `evs` looks at what the tracker remembers, and adds to it."""

    def tracker(self) -> Tracker:
        """A memory for one video."""


# --- benchmarks and metrics ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one video: results, or the ground truth. Both are the same type, so either may stand for both.

    Several tracks may share a `track_id`: the same masks under several classes, as instance segmentation submits them.
    """

    video: str
    frames: Iterable[FrameResult]  # of the frames that the benchmark annotates, in order; read once
    tracks: Sequence[Track] = ()  # complete before the first frame is read
    details: Mapping[str, Any] = field(default_factory=dict)  # what a data set says of the video besides


class Truth(Protocol):
    """The ground truth of a benchmark, opened; no picture is needed for it."""

    vocabulary: Vocabulary
    videos: Sequence[str]  # their names, in the order in which the official program takes them
    notes: list[str]  # one line each: what was understood, or left out

    def answer(self, video: str) -> Answer:
        """The truth of one video."""


class Results(Protocol):
    """Somebody's results for a benchmark, opened: frame for frame what `Truth` has, empty where nothing was found."""

    notes: list[str]  # one line each: videos that are missing, predictions that drop out

    def answer(self, video: str) -> Answer:
        """The results of one video; empty frames where there are none."""


class Footage(Protocol):
    """The pictures of a benchmark's split, opened."""

    vocabulary: Vocabulary
    videos: Sequence[str]
    truth: Truth | None  # None where it is hidden
    hidden: str  # why, and where to submit, one line; empty where it is not

    def open(self, video: str) -> VideoSource:
        """Its frames, with exemplars where the task is guided by them."""

    def frame_name(self, video: str, frame: Frame) -> str:
        """What the benchmark calls the frame, without suffix; empty where it wants no result of it."""

    def facts(self, video: str) -> Mapping[str, Any]:
        """What files of results repeat of the video: `number`, its id in the set's own files, where it has one, and
        what its layout (`sinks.official`) lists besides. Fit for JSON."""


Partial = Mapping[str, "NDArray[Any]"]
"""What a metric keeps of one video: plain arrays, so that they can be stored, sent and joined; no Python objects."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a metric says in the end; NaN where it is not defined."""

    metrics: Mapping[str, float]  # headline numbers, by the names and in the units of the official program
    details: Mapping[str, Any] = field(default_factory=dict)  # by class, video, object: plain data
    variants: Mapping[str, Any] = field(default_factory=dict)  # the same under other definitions


class VideoScorer(Protocol):
    """One video on its way through a metric."""

    def add(self, truth: FrameResult, found: FrameResult) -> None:
        """One frame."""

    def partial(self) -> Partial:
        """All that `total` needs to know of the video."""


class Metric(Protocol):
    """One metric: each video by itself, then all together. `total` sees the same partials in the same order however
    many processes made them, so that its numbers are the same to the last bit."""

    name: str

    def begin(self, truth: Answer, found: Answer) -> VideoScorer:
        """A video; its frames come by `VideoScorer.add`, its tracks and details are looked at here."""

    def total(self, partials: Sequence[tuple[str, Partial]]) -> Scores:
        """The scores over (video, partial), in the benchmark's order."""
