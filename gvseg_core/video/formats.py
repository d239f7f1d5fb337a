"""The codecs and containers pictures are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Codec:
    """One way to encode pictures."""

    encoder: str  # FFmpeg's name
    pixel_format: str
    alpha_format: str | None = None  # None: it has no alpha
    crf: int | None = None  # quality where none is asked for; None: it has no such setting
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_even_sides(self) -> bool:
        """x264 and x265 refuse odd sides where two pixels share a colour sample."""
        return self.encoder in {"libx264", "libx265"}


@dataclass(frozen=True, slots=True)
class Container:
    """One file format."""

    muxer: str  # FFmpeg's name
    codec: str  # used where none is asked for
    alpha_codec: str | None = None  # None: it holds no alpha
    options: Mapping[str, str] = field(default_factory=dict)  # into a file
    stream_options: Mapping[str, str] = field(default_factory=dict)  # into a stream that cannot go back


# Speed over size: overlays are looked at and thrown away (720p on two cores: veryfast 88, medium 37 frames a second).
# No B-frames: FFmpeg's fragmented MP4 loses the end of slow videos that have them, and a kill loses more pictures.
# Alpha is straight. FFmpeg's own VP9 decoder drops it when reading back; browsers and libvpx-vp9 do not.
CODECS = {
    "h264": Codec("libx264", "yuv420p", crf=18, options={"preset": "veryfast", "bf": "0"}),
    "hevc": Codec(
        "libx265", "yuv420p", crf=20, options={"preset": "veryfast", "bf": "0", "x265-params": "log-level=error"}
    ),
    "vp9": Codec(
        "libvpx-vp9",
        "yuv420p",
        "yuva420p",
        crf=24,
        options={"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "auto-alt-ref": "0"},
    ),
    "prores4444": Codec("prores_ks", "yuva444p10le", "yuva444p10le", options={"profile": "4444", "vendor": "apl0"}),
    "ffv1": Codec("ffv1", "bgr0", "bgra"),
}

# hybrid_fragmented: fragments while writing, so that what is there plays after a kill; an ordinary index once closed.
# delay_moov: the header waits for the first fragment and can say at what time each stream begins.
_FRAGMENTS = {"movflags": "hybrid_fragmented+delay_moov", "frag_duration": "500000"}  # microseconds
_STREAMED = {"movflags": "empty_moov+delay_moov+default_base_moof", "frag_duration": "500000"}
_CLUSTERS = {"cluster_time_limit": "500"}  # milliseconds; by default five seconds are lost in a kill
CONTAINERS = {
    "mp4": Container("mp4", "h264", None, _FRAGMENTS, _STREAMED),
    "m4v": Container("mp4", "h264", None, _FRAGMENTS, _STREAMED),
    "mov": Container("mov", "h264", "prores4444", _FRAGMENTS, _STREAMED),
    "mkv": Container("matroska", "h264", "ffv1", _CLUSTERS, _CLUSTERS),
    "webm": Container("webm", "vp9", "vp9", _CLUSTERS, _CLUSTERS),
}
