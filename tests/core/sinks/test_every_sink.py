"""What is true of every way out: whole or not at all, nothing replaced unasked, and any video is ordinary."""

from __future__ import annotations

import io
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gvseg_core import sinks
from gvseg_core.errors import OutputError, UsageError
from gvseg_core.sinks import FOLDERS, SINKS, JsonLines, make_sink, output_paths, sink_builder
from gvseg_core.types import ClassInfo, DraftingSink, Outcome, Sink, TaskName, Vocabulary
from gvseg_core.video.prefetch import spread
from tests.core.sinks.scenes import (
    TASKS,
    box_mask,
    decoded,
    outcome,
    result,
    results,
    segment,
    settings,
    video,
)

ALL = [(word, task) for word, by_task in SINKS.items() for task in by_task]
every_sink = pytest.mark.parametrize(("word", "task"), ALL)
DRAFTING = [(word, task) for word, task in ALL if hasattr(SINKS[word][task], "draft")]
VIDEOS = {"video", "alpha"}
STREAMS = [(word, task) for word, task in ALL if word not in FOLDERS]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))}


def target_of(word: str, task: TaskName, folder: Path) -> Path:
    return folder / output_paths(task, "clip", [word])[word]


def exact(word: str, target: Path) -> Path:
    """Where results can be compared: Matroska for video, as streams are, in which FFV1 loses nothing."""
    return target.with_suffix(".mkv") if word in VIDEOS else target


def content(word: str, data: bytes) -> object:
    """What is in a file: the bytes, but of video the pictures and their times (Matroska holds random numbers)."""
    return [(time, image.tobytes()) for time, image in decoded(io.BytesIO(data))] if word in VIDEOS else data


def fill(sink: Sink, task: TaskName, num_frames: int = 4) -> Outcome:
    shown = results(task, num_frames)
    sink.begin(video())
    for one in shown:
        sink.write(one)
    return outcome(shown)


@every_sink
def test_nothing_is_there_before_the_end_and_everything_after(word: str, task: TaskName, tmp_path: Path) -> None:
    target = target_of(word, task, tmp_path)
    sink = make_sink(word, target, settings(task))
    end = fill(sink, task)
    assert not target.exists()
    sink.end(end)
    assert target.is_dir() if word in FOLDERS else target.stat().st_size > 0
    assert [p.name for p in tmp_path.iterdir()] == [target.name]
    sink.abort()  # after the end it changes nothing
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


@every_sink
def test_nothing_is_left_of_what_was_given_up(word: str, task: TaskName, tmp_path: Path) -> None:
    sink = make_sink(word, target_of(word, task, tmp_path), settings(task))
    sink.abort()  # before anything began
    fill(sink, task)
    sink.abort()
    sink.abort()
    assert tree(tmp_path) == {}


@every_sink
def test_what_exists_is_replaced_only_when_asked_for(word: str, task: TaskName, tmp_path: Path) -> None:
    target = target_of(word, task, tmp_path)
    first = make_sink(word, target, settings(task))
    first.end(fill(first, task, num_frames=2))
    before = tree(tmp_path)
    with pytest.raises(OutputError, match="-y to overwrite"):
        make_sink(word, target, settings(task)).begin(video())
    again = make_sink(word, target, settings(task, overwrite=True))
    end = fill(again, task)
    assert tree(tmp_path).items() >= before.items()
    again.end(end)
    after = tree(tmp_path)
    assert after != before
    assert all(name.startswith(target.name) for name in after)


@every_sink
def test_the_same_results_give_the_same_bytes(word: str, task: TaskName, tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        target = target_of(word, task, tmp_path / name)
        sink = make_sink(word, exact(word, target), settings(task, codec="ffv1"))
        sink.end(fill(sink, task))
    one, other = ({n: content(word, d) for n, d in tree(tmp_path / name).items()} for name in ("one", "other"))
    assert one == other


@pytest.mark.parametrize(("word", "task"), DRAFTING)
def test_what_is_drafted_beforehand_by_many_hands_is_the_same(word: str, task: TaskName, tmp_path: Path) -> None:
    shown = results(task, 6)
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        sink = make_sink(word, exact(word, target_of(word, task, tmp_path / name)), settings(task, codec="ffv1"))
        assert isinstance(sink, DraftingSink)
        sink.begin(video())
        for one, draft in zip(shown, spread(sink.draft, shown, 3), strict=True):
            sink.write(one, draft if name == "other" else None)
        sink.end(outcome(shown))
    one, other = ({n: content(word, d) for n, d in tree(tmp_path / name).items()} for name in ("one", "other"))
    assert one == other


@every_sink
def test_frames_on_which_nothing_was_found_are_ordinary(word: str, task: TaskName, tmp_path: Path) -> None:
    target = target_of(word, task, tmp_path)
    sink = make_sink(word, target, settings(task))
    sink.begin(video())
    for index in range(3):
        sink.write(result(index))
    sink.end(Outcome((), 3))
    assert target.exists()


@every_sink
def test_a_video_without_frames_is_ordinary_unless_a_video_is_to_be_made(
    word: str, task: TaskName, tmp_path: Path
) -> None:
    target = target_of(word, task, tmp_path)
    sink = make_sink(word, target, settings(task))
    sink.begin(video())
    if word in VIDEOS:
        with pytest.raises(OutputError, match="no picture"):
            sink.end(Outcome((), 0, complete=False, reason="nothing could be decoded"))
        sink.abort()
        assert tree(tmp_path) == {}
    else:
        sink.end(Outcome((), 0, complete=False, reason="nothing could be decoded"))
        assert target.exists()


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Files may not grow beyond this, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@every_sink
@pytest.mark.parametrize("size", [0, 100])
def test_a_disk_that_is_full_ends_in_one_line_and_leaves_nothing(
    word: str, task: TaskName, size: int, tmp_path: Path
) -> None:
    target = target_of(word, task, tmp_path)
    sink = make_sink(word, target, settings(task))
    sink.begin(video())
    shown = results(task, 40)
    with file_size_limit(size):
        with pytest.raises(OutputError, match=rf"{target.name}.*(larger than a file|File too large)") as caught:  # noqa: PT012
            for one in shown:
                sink.write(one)
            sink.end(outcome(shown))
        sink.abort()
    assert "\n" not in str(caught.value)
    assert "gvseg-part" not in str(caught.value)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(("word", "task"), STREAMS)
def test_a_stream_gets_what_a_file_would_and_is_left_open(word: str, task: TaskName, tmp_path: Path) -> None:
    target = exact(word, target_of(word, task, tmp_path))
    stream = io.BytesIO()
    for out in (target, stream):
        sink = make_sink(word, out, settings(task, codec="ffv1"))
        sink.end(fill(sink, task))
    assert not stream.closed
    assert content(word, stream.getvalue()) == content(word, target.read_bytes())


@pytest.mark.parametrize(("word", "task"), STREAMS)
def test_a_closed_pipe_is_told_as_such(word: str, task: TaskName) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    shown = results(task, 40)
    with open(writing, "wb", buffering=0) as stream:
        sink = make_sink(word, stream, settings(task))
        with pytest.raises(BrokenPipeError):  # noqa: PT012 - whichever of them notices first
            sink.begin(video())
            for one in shown:
                sink.write(one)
            sink.end(outcome(shown))
        sink.abort()


@pytest.mark.parametrize("word", sorted(FOLDERS))
def test_many_files_do_not_go_down_one_stream(word: str) -> None:
    with pytest.raises(UsageError, match="give a folder"):
        make_sink(word, io.BytesIO(), settings())


@every_sink
def test_names_from_outside_are_only_names(word: str, task: TaskName, tmp_path: Path) -> None:
    vocabulary = Vocabulary("=cmd", (ClassInfo('=x\x1b[2J"\n</script>\udcff人', (1, 2, 3), task != "vss", 1),))
    hostile = video('../clip\x1b]52;c;Zg==\x07\n"\udcff', size=(200, 300))
    sink = make_sink(word, target_of(word, task, tmp_path), settings(task, vocabulary))
    sink.begin(hostile)
    shown = [result(0, [segment(1, 0, box_mask(10, 60, 150, 180, (200, 300)))], (200, 300))]
    sink.write(shown[0])
    sink.end(outcome(shown))
    written = b"".join(tree(tmp_path).values())
    if word not in {*VIDEOS, *FOLDERS, "contact"}:  # text
        assert b"\x1b" not in written
        assert b"\x07" not in written


def test_every_word_has_a_name_of_its_own() -> None:
    paths = output_paths("vis", "clip", SINKS)
    assert paths["video"].name == "clip.vis.mp4"
    assert paths["alpha"].name == "clip.vis.alpha.mov"
    assert paths["mots"].name == "clip.vis.mots.txt"
    assert len(set(paths.values())) == len(SINKS) == len(sinks.SUFFIXES)


@pytest.mark.parametrize("stem", ["x" * 255, "ж" * 127, "\udcff" * 255])
def test_names_of_results_are_never_longer_than_names_may_be(stem: str, tmp_path: Path) -> None:
    for path in output_paths("vps", stem, SINKS).values():
        (tmp_path / path).write_bytes(b"")
        assert path.name.startswith(stem[:100])


def test_a_kind_of_result_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean 'video'"):
        sink_builder("vidoe", "vis")
    with pytest.raises(UsageError, match="did you mean 'json'"):
        output_paths("vis", "clip", ["jsn"])
    with pytest.raises(UsageError, match="--save mots does not go with --task vss, only with vis, vps, evs"):
        sink_builder("mots", "vss")


@pytest.mark.parametrize("task", TASKS)
def test_json_lines_are_one_a_frame_and_one_more_if_the_video_was_cut(task: TaskName) -> None:
    for complete in (True, False):
        stream = io.BytesIO()
        sink = JsonLines(stream, settings(task))
        shown = results(task)
        fill(sink, task)
        sink.end(outcome(shown, complete))
        assert stream.getvalue().count(b"\n") == len(shown) + (not complete)
