"""A model's run over a split: each video is segmented, saved and scored by itself; then all are put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gvseg_core.engine.benchmarks import Bench
from gvseg_core.engine.evaluation.ledger import Entry, Ledger
from gvseg_core.engine.evaluation.model import Runner
from gvseg_core.engine.evaluation.scoring import score_video, total
from gvseg_core.engine.evaluation.team import Team
from gvseg_core.engine.evaluation.watching import Nobody, Watcher
from gvseg_core.segmenter import Segmenter
from gvseg_core.sinks.official import LAYOUTS
from gvseg_core.types import Footage, Scores


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with each video.

    Args:
        bench: metrics and layout.
        footage: pictures and, if it is not hidden, truth.
        runner: the model.
        folder: where results are written; None is nowhere.
        ledger: of what was done before, in the same folder.
        look: whether a frame of each video is wanted to look at.
    """

    bench: Bench
    footage: Footage
    runner: Runner
    folder: Path | None = None
    ledger: Ledger | None = None
    look: bool = False

    def do(self, videos: Sequence[str], watcher: Watcher, stopped: Callable[[], bool]) -> dict[str, Entry]:
        """All of `videos` that are not done yet, until somebody says stop.

        Returns:
            By name, what is done; also by an earlier run.

        Raises:
            GvsegError: a video that cannot be read, memory that does not suffice, or results that cannot be written.
        """
        known = {video: self.ledger.read(video) for video in videos} if self.ledger is not None else {}
        done = {video: entry for video, entry in known.items() if entry is not None}
        watcher.run_begins(len(videos), len(done))
        for video in videos:
            if stopped():
                break
            if video not in done:
                done[video] = self._one(video, watcher)
                watcher.video_ends(video)
        return done

    def _one(self, video: str, watcher: Watcher) -> Entry:
        found = self.runner.run(video, watcher)
        truth = self.footage.truth
        kept = score_video(self.bench.metrics(truth), truth.answer(video), found.answer) if truth is not None else {}
        if self.folder is not None:
            LAYOUTS[self.bench.layout].write(
                self.folder, found.answer, found.facts, self.footage.vocabulary, overwrite=True
            )
        frames = list(found.answer.frames) if self.look else []
        entry = Entry(kept, found.facts, frames[len(frames) // 2] if frames else None)
        if self.ledger is not None:
            self.ledger.write(video, entry)
        return entry


def score_segmenter(
    segmenter: Segmenter, bench: Bench, footage: Footage, *, team: Team | None = None, watcher: Watcher | None = None
) -> Scores:
    """How well a network does on the videos of a split with known truth; what a training run asks on its way.

    Every process of `team` takes its share of the videos, and all get the scores.

    Raises:
        GvsegError: as `Work.do`, and ModelError where the network knows no class of the benchmark.
    """
    assert footage.truth is not None, "truth is known"
    team, watcher = team or Team(), watcher or Nobody()
    work = Work(bench, footage, Runner(segmenter, bench, footage))
    mine = team.agree(lambda: work.do(team.share(footage.videos), watcher, lambda: False))
    kept = {video: entry.kept for done in team.everyone(mine) for video, entry in done.items()}
    return total(bench.metrics(footage.truth), [(video, kept[video]) for video in footage.videos])
