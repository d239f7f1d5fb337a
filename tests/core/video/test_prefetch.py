"""The threads: order, bounds, failures passed on, nothing left running."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gvseg_core.video.container import Reader
from gvseg_core.video.prefetch import prefetch, spread

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("gvseg")]


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert ours() == []


class BoomError(Exception):
    """A failure that nothing else raises."""


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_items_come_whole_and_in_order(items: list[int], depth: int) -> None:
    assert list(prefetch(items, depth)) == items


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 20), st.integers(1, 4))
def test_a_failure_comes_after_the_items_before_it(count: int, depth: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(count)
        raise BoomError

    ahead = prefetch(failing(), depth)
    assert list(islice(ahead, count)) == list(range(count))
    with pytest.raises(BoomError):
        next(ahead)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10), st.integers(1, 4))
def test_the_producer_stops_when_the_consumer_does(taken: int, depth: int) -> None:
    made, closed = [], []

    def endless() -> Iterator[int]:
        try:
            while True:
                made.append(len(made))
                yield made[-1]
        finally:
            closed.append(threading.current_thread().name)

    ahead = prefetch(endless(), depth)
    for _ in range(taken):
        next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    assert ours() == []
    assert len(made) <= taken + depth + 1
    assert closed == (["gvseg-prefetch"] if taken else [])


def test_a_dropped_iterator_ends_its_thread() -> None:
    ahead = prefetch(iter(range(10**9)), 2)
    next(ahead)
    assert ours() == ["gvseg-prefetch"]
    del ahead
    gc.collect()
    assert ours() == []


def test_a_consumer_that_fails_ends_the_thread() -> None:
    def consume() -> None:
        for _ in prefetch(iter(range(10**9)), 3):
            raise BoomError

    with pytest.raises(BoomError):
        consume()


def test_no_more_is_made_than_there_is_room_for() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    ahead = prefetch(items(), 3)
    next(ahead)
    time.sleep(0.05)
    assert len(made) <= 1 + 3 + 1
    ahead.close()  # type: ignore[attr-defined]


def test_a_blocked_read_is_interrupted() -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as pipe, os.fdopen(into, "wb", buffering=0) as other_end:
        reader = Reader(pipe)

        def interrupt() -> None:
            reader.interrupted = True

        other_end.write(b"x")
        ahead = prefetch(iter(lambda: reader.read(10), b""), 1, interrupt=interrupt)
        assert next(ahead) == b"x"  # the thread now waits for more
        started = time.monotonic()
        ahead.close()  # type: ignore[attr-defined]
        assert time.monotonic() - started < 5


def test_a_queue_of_negative_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="wanted 0 or more"):
        prefetch([1], -1)


def test_without_a_queue_one_item_is_made_while_another_is_used() -> None:
    made = []

    def items() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            yield i

    for taken, _ in enumerate(prefetch(items(), 0), start=1):
        time.sleep(0.005)
        assert len(made) <= taken + 1
    assert len(made) == 20


# --- many hands ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(), max_size=30), st.integers(1, 4))
def test_many_hands_keep_the_order(items: list[int], num: int) -> None:
    def work(item: int) -> int:
        time.sleep(abs(item) % 3 * 0.0005)
        return item * 2

    assert list(spread(work, items, num)) == [item * 2 for item in items]


def test_many_hands_work_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    assert len(list(spread(lambda _: both.wait(), range(10), 2))) == 10


@pytest.mark.parametrize("whose", ["items", "work"])
def test_a_failure_among_many_hands_comes_after_what_was_before_it(whose: str) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        if whose == "items":
            raise BoomError
        yield 5

    def work(item: int) -> int:
        if item == 5:
            raise BoomError
        return item

    done = spread(work, items(), 3)
    assert list(islice(done, 5)) == list(range(5))
    with pytest.raises(BoomError):
        next(done)


def test_many_hands_stop_when_nobody_takes_what_they_make() -> None:
    begun, closed = [], []

    def items() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    done = spread(begun.append, items(), 3)
    for _ in range(4):
        next(done)
    done.close()  # type: ignore[attr-defined]
    assert ours() == []
    assert closed == [True]
    assert len(begun) <= 4 + 3 + 3 + 2


def test_both_ends_at_once_for_a_while() -> None:
    """A chain of three threads, ended at random places, never hangs."""
    for stop in (0, 1, 7, 100, 499):
        results: list[int] = []
        for i, item in enumerate(spread(int, prefetch(prefetch(iter(range(500)), 2), 0), 2)):
            if i == stop:
                break
            results.append(item)
        assert results == list(range(stop))
