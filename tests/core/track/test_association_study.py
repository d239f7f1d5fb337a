"""What the study in tests/bench/association.py found, held on a small part of it."""

from __future__ import annotations

import pytest

from tests.bench.association import Video, demo_video, switches, wrong_pairs


@pytest.fixture(scope="module")
def videos() -> list[Video]:
    return [demo_video(seed, num_frames=60) for seed in range(3)]


def wrong(videos: list[Video], gap: int, weight: float, radial: str = "frame") -> int:
    return sum(wrong_pairs(video, gap, weight, radial)[0] for video in videos)


@pytest.mark.parametrize("gap", [1, 5])
def test_appearance_with_shape_and_position_confuses_fewer_objects_than_appearance_alone(
    videos: list[Video], gap: int
) -> None:
    both, appearance = (sum(switches(v, gap, weight, "frame") for v in videos) for weight in (0.25, 0.0))
    assert both < appearance / 2
    assert wrong(videos, gap, 0.25) < wrong(videos, gap, 0) / 2


def test_appearance_with_shape_and_position_confuses_fewer_objects_than_shape_and_position_alone(
    videos: list[Video],
) -> None:
    assert wrong(videos, 10, 0.25) < wrong(videos, 10, 1) / 2


@pytest.mark.parametrize("gap", [1, 10])
def test_radii_measured_against_the_frame_tell_objects_apart_better_than_against_the_object(
    videos: list[Video], gap: int
) -> None:
    for weight in (0.25, 0.5, 1):
        assert wrong(videos, gap, weight, "frame") < wrong(videos, gap, weight, "object")
