"""Who watches an evaluation, and what they are told; nothing here is printed, a command draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Watcher(Protocol):
    """Told of everything while it happens, in the process that speaks."""

    def model_loading(self, model: str) -> None: ...
    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None: ...
    def run_begins(self, num_videos: int, num_done: int) -> None:
        """So many videos are this process's; of these, so many were done by an earlier run."""

    def video_begins(self, name: str, num_frames: int | None) -> None:
        """A model is shown a video."""

    def frame_done(self) -> None: ...
    def video_ends(self, name: str) -> None:
        """Its results are there, and scored where truth is known."""

    def note(self, text: str) -> None:
        """One line worth knowing."""


class Nobody:
    """Looks away."""

    def model_loading(self, model: str) -> None: ...
    def model_loaded(self, seconds: float, provenance: Mapping[str, Any]) -> None: ...
    def run_begins(self, num_videos: int, num_done: int) -> None: ...
    def video_begins(self, name: str, num_frames: int | None) -> None: ...
    def frame_done(self) -> None: ...
    def video_ends(self, name: str) -> None: ...
    def note(self, text: str) -> None: ...
