"""The command as such: help, version, typing errors, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gvseg_cli.main import main

HEAVY = {"torch", "numpy", "av", "cv2", "PIL", "scipy", "safetensors"}


def process(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], {*HEAVY, "pydantic", "yaml"}),
        (["--version"], {*HEAVY, "pydantic", "yaml"}),
        (["predict", "--help"], HEAVY),  # newer Typer checks a command's arguments with pydantic
        (["eval", "--help"], HEAVY),
    ],
)
def test_help_and_version_load_nothing_heavy(words: list[str], unwanted: set[str]) -> None:
    code = f"""
import sys
from gvseg_cli.main import main
code = main({words!r})
print(*sorted({unwanted!r} & sys.modules.keys()), file=sys.stderr)
sys.exit(code)
"""
    done = process(sys.executable, "-c", code)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_help_shows_examples_before_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("gvseg predict clip.mp4") < shown.index("--model")
    assert "Where results go" in shown


def test_help_names_every_option_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    main(["predict", "--help"])
    shown = capsys.readouterr().out
    promised = """--task --output -o --model --save --exemplar --size --conf --classes --start --end --stride --device
    --dtype --seed --labels --no-labels --alpha --color-by --no-audio -y --overwrite -n --skip-existing --on-error
    --dry-run --json --progress --offline -q -v --debug"""
    assert [flag for flag in promised.split() if flag not in shown] == []


def test_help_of_eval_names_every_benchmark_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    from gvseg_cli.eval_options import BENCH_NAMES
    from gvseg_core.data.benchmarks import BENCHMARKS

    assert sorted(BENCH_NAMES.split()) == sorted([*BENCHMARKS, "synth"])
    main(["eval", "--help"])
    shown = capsys.readouterr().out
    promised = """--bench --data --split --model --save-results --submission --json --report --workers --task --gt
    --results --exemplar-kind --conf --size --device --dtype --vocabulary --set --videos --offline --seed -y -q -v
    --progress --debug"""
    assert [word for word in (*promised.split(), *BENCHMARKS, "synth") if word not in shown] == []


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from gvseg_core import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"gvseg {__version__}\n"


def test_no_command_shows_the_help_and_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "gvseg predict clip.mp4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pedict"], "did you mean 'predict'"),
        (["predict", "demo", "--tsk", "vis"], "did you mean --task"),
        (["predict", "demo", "--weights", "m.pth"], "here it is --model"),
        (["predict", "demo", "--iou", "0.5"], "no non-maximum suppression"),
        (["predict"], "missing argument"),
        (["predict", "demo", "--stride", "two"], "--stride"),
        (["predict", "demo", "--task"], "--task"),
    ],
)
def test_a_typing_error_is_one_line_with_the_way_out(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("gvseg: error: ")
    assert shown.err.count("\n") == 1
    assert message in shown.err.lower()
