"""Results of COCO's instance segmentation: one results.json of all pictures.

Source: cocodataset/cocoapi, `pycocotools/coco.py` (`loadRes`), and the results format on cocodataset.org. A list of
predictions: image_id, category_id, score, segmentation, a compressed RLE.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gvseg_core.ops import rle
from gvseg_core.sinks.content import to_json
from gvseg_core.sinks.official.layout import VideoFacts, placed, write_whole
from gvseg_core.sinks.official.youtube_vis import ResultsJson
from gvseg_core.types import Answer, Vocabulary


class StillResultsJson(ResultsJson):
    """One file of all pictures; a picture is a video of one frame."""

    names = ("image_id", "segmentation")

    def masks(self, prediction: Mapping[str, Any]) -> Any:
        """The one mask, which may not be missing."""
        return [prediction.get("segmentation") or {}]

    def put(self, part: Path, number: int, answer: Answer, video: VideoFacts, vocabulary: Vocabulary) -> None:
        """A record for each track that shows, in their order."""
        (result,) = placed(answer, video)
        shown = {segment.track_id: segment.mask for segment in result.segments}
        records = [
            {
                "image_id": number,
                "category_id": vocabulary.classes[track.class_id].dataset_id,
                "score": track.score,
                "segmentation": rle.to_coco(shown[track.track_id]),
            }
            for track in answer.tracks
            if track.track_id in shown
        ]
        write_whole(part, [to_json(records) + b"\n"], overwrite=True)
