"""The threads of gvseg, all of them: a bounded read-ahead, and many hands for one work.

Both stop when the other side stops, and hand any failure over to it; neither outlives its owner.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class _Channel(Generic[T]):
    """A bounded queue between two threads, which either end may leave."""

    def __init__(self, depth: int) -> None:
        if depth < 0:
            raise ValueError(f"a queue of {depth}: wanted 0 or more")
        self.failure: BaseException | None = None  # of the sender
        self._depth = depth
        self._items: deque[T] = deque()
        self._changed = threading.Condition()
        self._awaited = False  # the receiver waits: there is room for one more, which will not stay
        self._finished = False  # the sender has no more
        self._abandoned = False  # the receiver takes no more

    def send(self, item: T) -> bool:
        """Wait for room and put `item` in; False if nobody will take it."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or len(self._items) < self._depth + self._awaited)
            if self._abandoned:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def receive(self) -> Iterator[T]:
        """Items in order, until the sender has finished and all are taken, or the channel is abandoned."""
        while True:
            with self._changed:
                self._awaited = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._items or self._finished or self._abandoned)
                self._awaited = False
                if self._abandoned or not self._items:
                    return
                item = self._items.popleft()
                self._changed.notify_all()
            yield item
            del item  # not held while waiting for the next

    def finish(self, failure: BaseException | None = None) -> None:
        with self._changed:
            self._finished = True
            self.failure = self.failure or failure
            self._changed.notify_all()

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()


def prefetch(items: Iterable[T], depth: int = 2, *, interrupt: Callable[[], None] | None = None) -> Iterator[T]:
    """The same items, made in another thread, up to `depth` of them ahead.

    The thread starts with the first item asked for. A failure of `items` is raised here, after the items before it.
    When this iterator is closed, dropped or finished, the thread ends first.

    Args:
        items: iterated, and closed if it can be, in the other thread.
        depth: items that may wait; one more is in the making. With 0 each is handed over when it is asked for, and
            only then the next one is begun.
        interrupt: called before waiting for a thread that is not wanted any more; it should make a blocked `items` end.
    """
    channel: _Channel[T] = _Channel(depth)
    return _received(items, channel, interrupt)


def _received(items: Iterable[T], channel: _Channel[T], interrupt: Callable[[], None] | None) -> Iterator[T]:
    thread = threading.Thread(target=_produce, args=(items, channel), name="gvseg-prefetch", daemon=True)
    thread.start()
    try:
        yield from channel.receive()
    finally:
        channel.abandon()
        if interrupt is not None and thread.is_alive():
            interrupt()
        thread.join()
    if channel.failure is not None:
        raise channel.failure


def _produce(items: Iterable[T], channel: _Channel[T]) -> None:
    failure: BaseException | None = None
    iterator: Iterator[T] | None = None
    try:
        iterator = iter(items)
        for item in iterator:
            if not channel.send(item):
                break
            del item  # the consumer alone decides how long it lives
    except BaseException as error:
        failure = error
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        channel.finish(failure)


def spread(work: Callable[[T], R], items: Iterable[T], num: int) -> Iterator[R]:
    """`work(item)` for each item, done by `num` threads, in the order of the items.

    Up to twice `num` of them are in the making or waiting. A failure, of `items` or of `work`, is raised here after
    what comes before it. When this iterator is closed, dropped or finished, the threads end first.

    Args:
        work: called from several threads at once.
        items: iterated, and closed if it can be, in one more thread.
        num: 1 or more.
    """
    pool = ThreadPoolExecutor(num, thread_name_prefix="gvseg-spread")

    def begun() -> Iterator[Future[R]]:
        try:
            for item in items:
                yield pool.submit(work, item)
                del item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    futures = prefetch(begun(), num)
    try:
        with closing(futures):  # type: ignore[type-var]
            for future in futures:
                yield future.result()
                del future  # and with it the result
    finally:
        pool.shutdown(cancel_futures=True)
