"""Results that lie in files, scored against ground truth in files: video by video, in one process or in several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path

from gvseg_core.engine.benchmarks import Bench, choose_bench
from gvseg_core.engine.evaluation.outcome import Evaluated, chosen, comparable
from gvseg_core.engine.evaluation.scoring import Kept, score_video, total
from gvseg_core.engine.evaluation.settings import EvalSettings
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Watcher
from gvseg_core.errors import DeviceError
from gvseg_core.ops.allocator import keep_freed_memory
from gvseg_core.types import TaskName


@dataclass(frozen=True, slots=True)
class Files:
    """What is compared with what, in words that another process understands."""

    bench: str
    task: TaskName | None
    gt: Path
    results: Path


class FileScorer:
    """Ground truth and results, opened.

    Raises:
        DataError: either is not what it should be.
    """

    def __init__(self, files: Files) -> None:
        bench = choose_bench(files.bench, files.task)
        self.truth = bench.benchmark.read_truth(files.gt)
        self.results = bench.benchmark.read_results(files.results, self.truth)
        self.metrics = bench.metrics(self.truth)

    def score(self, video: str) -> Kept:
        """What the metrics keep of one video."""
        return score_video(self.metrics, self.truth.answer(video), self.results.answer(video))


def evaluate_files(settings: EvalSettings, bench: Bench, team: Team, watcher: Watcher) -> Evaluated:
    """Score the files that `settings` names; every process of `team` takes its share, and all get the scores.

    Raises:
        UsageError: a video is named that there is not.
        DataError: ground truth or results are not what they should be.
        DeviceError: a process was killed.
    """
    assert settings.gt is not None, "checked before"
    assert settings.results is not None, "checked before"
    files = Files(settings.bench, settings.task, settings.gt, settings.results)
    scorer = team.agree(lambda: FileScorer(files))
    videos = chosen(scorer.truth.videos, settings.videos)
    mine = team.share(videos)
    watcher.run_begins(len(mine), 0)

    def work() -> dict[str, Kept]:
        kept = {}
        for video, partials in score_files(scorer, files, mine, settings.workers):
            kept[video] = partials
            watcher.video_ends(video)
        return kept

    kept = {video: partials for part in team.everyone(team.agree(work)) for video, partials in part.items()}
    in_order = [(video, kept[video]) for video in videos]
    evaluated = Evaluated(
        bench,
        total(scorer.metrics, in_order),
        num_videos=len(videos),
        num_done=len(videos),
        notes=(*scorer.truth.notes, *scorer.results.notes),
        published=comparable(bench, scorer.truth.vocabulary, settings),
        info={"gt": str(settings.gt), "results": str(settings.results)},
    )
    if settings.report is None or not team.is_first:
        return evaluated
    from gvseg_core.engine.evaluation.reporting import by_video, look_into_files, write_page

    page = write_page(
        settings.report,
        evaluated,
        scorer.truth.vocabulary,
        by_video(bench, scorer.metrics, in_order),
        look_into_files(scorer.truth, scorer.results),
        overwrite=settings.overwrite,
    )
    return replace(evaluated, outputs=(page,))


def score_files(scorer: FileScorer, files: Files, videos: Sequence[str], workers: int) -> Iterator[tuple[str, Kept]]:
    """What the metrics keep of each video, in any order; `scorer` has the same `files` open.

    Raises:
        DataError: a file that is malformed.
        DeviceError: a process was killed, as systems do when memory runs out.
    """
    if workers == 1 or len(videos) < 2:
        for video in videos:
            yield video, scorer.score(video)
        return
    # Spawned, not forked: a fork copies locks that the threads of libraries may hold.
    context = multiprocessing.get_context("spawn")
    ending, alive = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(videos)), context, _begin_worker, (files, ending))
    try:
        waiting = {pool.submit(_score, video): video for video in videos}
        for done in as_completed(waiting):
            yield waiting.pop(done), done.result()
        pool.shutdown()
    except BrokenProcessPool as error:
        raise DeviceError("a process that scored was killed; if memory ran out, use fewer --workers") from error
    finally:
        alive.close()  # who is still at work ends at once
        pool.shutdown(cancel_futures=True)


_files: Files | None = None
_scorer: FileScorer | None = None


def _begin_worker(files: Files, ending: Connection) -> None:
    """What is opened waits for the first video, so that errors come back with its answer."""
    global _files
    _files = files
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one decides
    threading.Thread(target=_end_with, args=(ending,), daemon=True).start()


def _end_with(ending: Connection) -> None:
    """End when the other end of the pipe is closed: by the process that began us, or because it is no more."""
    wait([ending])
    os._exit(1)


def _score(video: str) -> Kept:
    global _scorer
    assert _files is not None, "the initialiser comes first"
    if _scorer is None:
        _scorer = FileScorer(_files)
    return _scorer.score(video)
