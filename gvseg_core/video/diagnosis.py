"""Why a file does not open, told from its bytes: FFmpeg says "invalid data" to everything."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

HEAD = 4096  # bytes looked at

_SIGNATURES = (
    (b"version https://git-lfs", "a Git LFS pointer, not the video itself: run `git lfs pull`"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"\x7fELF", "a program"),
    (b"\x89HDF", "an HDF5 file"),
)
# The boxes a QuickTime or MP4 file may begin with (ISO/IEC 14496-12, §4.2 and Apple's QTFF).
_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"moof"})


def why_unreadable(head: bytes, file: BinaryIO | None) -> str:
    """What a file that cannot be opened seems to be, in words that follow "name: ".

    Args:
        head: its first bytes, up to `HEAD`.
        file: the whole of it, seekable; None where the bytes came through a pipe.
    """
    if not head:
        return "the file is empty" if file else "nothing came through the pipe"
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            return f"not a video but {what}"
    if head[4:8] in _MP4_BOXES:
        if file is None:
            return (
                "this MP4 has its index at the end, which a pipe cannot go back for; write it with "
                "`-movflags +faststart`, as fragmented MP4, or as Matroska (mkv) or MPEG-TS"
            )
        if (b"moov", True) not in _boxes(file):
            return (
                "no index (moov): the recording was cut before it was finished; a tool like untrunc can rebuild "
                "it from a whole recording of the same camera"
            )
        return "a damaged MP4: its index (moov) cannot be read"
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "not a video but a web page (HTML): the download went wrong"
    if text.startswith((b"#extm3u", b"<mpd", b"<?xml", b"ffconcat")):
        return "not a video but a list or description of one; playlists are read from URLs only"
    if _is_text(head):
        return "not a video but text"
    return "not a video that can be read, or damaged at its beginning"


def is_cut_mp4(file: BinaryIO) -> bool:
    """Whether the last box of an MP4 goes on beyond the end of the file; a cut between fragments does not show."""
    return any(not whole for _, whole in _boxes(file))


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """The top-level boxes of an MP4: kind, and whether it ends inside the file."""
    size = file.seek(0, 2)
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        if length == 1:  # the length did not fit; 64 bits of it follow
            length = int.from_bytes(header[8:16], "big")
        yield header[4:8], length == 0 or at + length <= size
        if length < 8:  # 0: to the end of the file; less than its own header: nonsense
            return
        at += length


def _is_text(head: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        text = decoder.decode(head, final=len(head) < HEAD)  # a cut may fall inside a character
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\r\n\t\f\ufeff" for c in text)
