"""The `gvseg` command: which commands there are, and how every one of them ends.

Nothing heavy is imported here, so `gvseg --help` costs what an empty Typer app costs. Typer only parses: a command
hands back the run it was asked for, and the run goes on outside of Typer, where every way of ending is ours.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Annotated, Any

import typer

from gvseg_cli.console import Console, drop_stdout, occupy_closed_streams
from gvseg_cli.eval import evaluate
from gvseg_cli.export import export
from gvseg_cli.predict import predict
from gvseg_cli.signals import Interrupts
from gvseg_cli.train import train
from gvseg_core import __version__
from gvseg_core.errors import DeviceError, GvsegError, UsageError

CommandLineError = typer.BadParameter.__bases__[0]  # click's UsageError; newer Typer carries its own

FOREIGN_FLAGS = {  # what other tools of the field call ours
    "--batch-size": "frames are streamed, there is nothing to choose",
    "--checkpoint": "here it is --model",
    "--conf-thres": "here it is --conf",
    "--dataset": "here it is --bench, and --data for its folder",
    "--half": "here it is --dtype fp16 or bf16",
    "--imgsz": "here it is --size",
    "--iou": "there is no non-maximum suppression to tune",
    "--score-thr": "here it is --conf",
    "--source": "here inputs are given without a flag",
    "--vid-stride": "here it is --stride",
    "--weights": "here it is --model",
}

app = typer.Typer(
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(predict)
app.command("eval")(evaluate)
app.command()(train)
app.command()(export)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gvseg {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def gvseg(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version and stop.")
    ] = False,
) -> None:
    """Segment any video: objects, classes, both, or what you point at (GvSEG, ECCV 2024).

    \b
    gvseg predict clip.mp4 --task vis     clip.vis.mp4, clip.vis.json
    gvseg predict clips/ -o out --task vss --model M     all clips of a folder
    gvseg predict demo --task vps     no video at hand: a rendered one
    gvseg eval --bench ovis --gt GT --results R     the official numbers, for files
    gvseg eval --bench synth --task vis     for a model; no data needed
    gvseg train --preset synth_tiny     a network of one's own, from rendered data
    gvseg export --model M --format onnx     the same network elsewhere, proven equal

    \b
    Exit codes: 0 done; 1 some inputs failed or were cut; 2 wrong command or
    settings; 3 input unreadable; 4 output exists or cannot be written; 5 model
    or data invalid; 6 device or memory; 70 a bug; 130, 143 interrupted.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(UsageError.exit_code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after `gvseg`; those of this process by default.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    occupy_closed_streams()
    console = Console(words)
    with Interrupts(console) as interrupts:
        try:
            run = typer.main.get_command(app).main(words, "gvseg", standalone_mode=False, obj=(console, interrupts))
            if callable(run):
                with console.hearing():
                    code = int(run())
            else:
                code = int(run or 0)
            if sys.stdout is not None:
                sys.stdout.flush()
        except Exception as error:
            code = _explain(error, console)
        except KeyboardInterrupt:
            console.note("interrupted; nothing was written")
            code = interrupts.exit_code
    return code


def _explain(error: Exception, console: Console) -> int:
    """Say in one line why the run ended; the exit code."""
    if isinstance(error, CommandLineError):
        console.error(_in_our_words(error))
        return UsageError.exit_code
    if isinstance(error, BrokenPipeError):  # whoever read our stdout has seen enough
        drop_stdout()
        return 0
    if isinstance(error, MemoryError):
        error = DeviceError("memory does not suffice; a smaller --size needs less")
    console.failure(error)
    return error.exit_code if isinstance(error, GvsegError) else GvsegError.exit_code


def _in_our_words(error: Any) -> str:
    flag = str(getattr(error, "option_name", ""))
    if flag in FOREIGN_FLAGS:
        return f"no such option: {flag}; {FOREIGN_FLAGS[flag]}"
    if near := getattr(error, "possibilities", None):
        return f"no such option: {flag}; did you mean {max(near, key=lambda ours: _likeness(flag, ours))}?"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; see gvseg --help"


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()
