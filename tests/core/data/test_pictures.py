"""A benchmark's pictures: all of them, as they are, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gvseg_core.data.pictures import PictureSource
from gvseg_core.errors import DataError
from gvseg_core.types import Exemplar, Prompt


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    for number in (10, 2, 7):
        Image.fromarray(np.full((4, 6, 3), number, np.uint8)).save(tmp_path / f"{number:05d}.png")
    return [tmp_path / f"{number:05d}.png" for number in (10, 2, 7)]


def test_frames_come_in_the_order_of_the_list_with_what_is_given_on_them(paths: list[Path]) -> None:
    given = Exemplar((Prompt(1, point=(0.0, 0.0)),))
    with PictureSource("clip", paths, exemplars={1: given}) as source:
        frames = list(source)
        assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 2, 7]
        assert [frame.exemplar for frame in frames] == [None, given, None]
        assert source.info.size == (4, 6)
        assert int(source.frame(2).image.max()) == 7


@pytest.mark.parametrize("content", [None, b""])
def test_a_picture_that_cannot_be_read_is_named(paths: list[Path], content: bytes | None) -> None:
    paths[1].unlink()
    if content is not None:
        paths[1].write_bytes(content)
    with pytest.raises(DataError, match=r"00002\.png"):
        list(PictureSource("clip", paths))


def test_a_picture_of_another_size_is_refused(paths: list[Path]) -> None:
    Image.fromarray(np.zeros((6, 4, 3), np.uint8)).save(paths[2])
    with pytest.raises(DataError, match="4×6, wanted 6×4"):
        list(PictureSource("clip", paths))
