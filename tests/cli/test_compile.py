"""`--compile`: results say whether they were made so, and a compiler that fails costs a line, not the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gvseg_core.engine import build
from gvseg_core.engine.build import load_segmenter
from gvseg_core.model.compiled import Compiled
from gvseg_core.model.network import Network
from tests.cli.conftest import Done

Run = Callable[..., Done]
VSS = ("--task", "vss", "--model", "MODEL", "--save", "json")


def results(clip: Path) -> tuple[dict[str, Any], Any]:
    found = json.loads(clip.with_name("clip.vss.json").read_text())
    return found["info"], found["annotations"]


def with_compiler(monkeypatch: pytest.MonkeyPatch, compiler: Callable[..., Any]) -> None:
    monkeypatch.setattr(build, "Compiled", partial(Compiled, compiler=compiler))


def test_json_says_how_numbers_were_made(gvseg: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gvseg("predict", "clip.mp4", *VSS, "--device", "cpu", "--dtype", "fp32").code == 0
    info, plain = results(clip)
    assert (info["device"], info["dtype"], info["tf32"], info["compile"]) == ("cpu", "float32", False, False)

    halves: list[str] = []

    def compiler(half: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        assert not dynamic
        halves.append(half.__name__)
        return half

    with_compiler(monkeypatch, compiler)
    assert gvseg("predict", "clip.mp4", *VSS, "--device", "cpu", "--dtype", "fp32", "--compile", "-y").code == 0
    assert halves == ["encode", "decode"]
    info, compiled = results(clip)
    assert info["compile"] is True
    assert compiled == plain


def test_a_compiler_that_fails_is_told_of_once_and_done_without(
    gvseg: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gvseg("predict", "clip.mp4", *VSS).code == 0
    plain = results(clip)

    def compiler(half: Callable[..., Any], **kwargs: Any) -> Callable[..., Any]:
        def fail(*args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("no C compiler\n[0m and more")

        return fail

    with_compiler(monkeypatch, compiler)
    done = gvseg("predict", "clip.mp4", *VSS, "--compile", "-y")
    assert done.code == 0
    lines = [line for line in done.err.splitlines() if "warning" in line]
    assert lines == ["gvseg: warning: --compile does not work here, the run goes on without: no C compiler"]
    assert results(clip) == plain  # which says that nothing was compiled


def test_compiling_is_refused_where_it_has_no_effect(gvseg: Run, tmp_path: Path) -> None:
    done = gvseg("predict", "demo:frames=2,size=64x48", "--task", "vis", "--model", "truth", "--compile")
    assert (done.code, done.errors) == (
        2,
        ["gvseg: error: --compile has no effect on --model truth; leave it out"],
    )
    done = gvseg("eval", "--bench", "ovis", "--gt", "g.json", "--results", "r.json", "--compile")
    assert (done.code, "--compile is for running a model" in done.err) == (2, True)


def test_on_a_cpu_the_network_is_called_itself(model: Path) -> None:
    assert type(load_segmenter(model, "vss", device="cpu").network) is Network
