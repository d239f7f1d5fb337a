"""Bad input: one clear line, the exit code of the contract, nothing lost and nothing half-written.

Each case is a row; after each, three things are checked as well: the folder is as it was but for the files that the
case names, no part file is left, and stderr holds exactly one line with "error:" and no traceback.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.cli.conftest import Done, write_clip
from tests.conftest import shared

Run = Callable[..., Done]
Make = Callable[[Path], object]


@dataclass(frozen=True)
class Fault:
    """One row: what is wrong, what is typed, and what must come of it."""

    name: str
    make: Make
    words: str  # after `gvseg predict`
    code: int
    says: str  # a regular expression for the one error line
    written: set[str] = field(default_factory=set)


def nothing(_: Path) -> None:
    """The command alone is wrong."""


def bytes_in(name: str, content: bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(content)


def clip_at(name: str, num_frames: int = 2) -> Make:
    return lambda folder: write_clip(folder / name, num_frames)


def copy(clip: str) -> Make:
    return lambda folder: shutil.copy(shared("data", "clips", clip), folder / "in.mp4")


def both(*makes: Make) -> Make:
    return lambda folder: [make(folder) for make in makes]


def cut(name: str, share: float) -> Make:
    def make(folder: Path) -> None:
        path = write_clip(folder / name, 60)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return make


def without_index(folder: Path) -> None:
    """An MP4 as an interrupted recorder leaves it: pictures, and no word about where they are."""
    whole = write_clip(folder / "whole.mp4").read_bytes()
    (folder / "in.mp4").write_bytes(whole[: whole.rindex(b"moov") - 4])
    (folder / "whole.mp4").unlink()


def mask(name: str, size: tuple[int, int] = (64, 48), value: int = 1) -> Make:
    def make(folder: Path) -> None:
        picture = Image.new("L", size)
        picture.paste(value, (4, 4, size[0] // 2, size[1] // 2))
        picture.save(folder / name)

    return make


def only_void(folder: Path) -> None:
    picture = Image.new("P", (64, 48), 255)
    picture.putpalette([index for index in range(256) for _ in "rgb"])
    picture.save(folder / "m.png")


def blurred_mask(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "m.jpg")


def hard_link(folder: Path) -> None:
    write_clip(folder / "in.mp4")
    os.link(folder / "in.mp4", folder / "in.vss.mp4")


def too_wide(folder: Path) -> None:
    Image.new("L", (16400, 2)).save(folder / "in.png")


VSS = "--task vss --model MODEL"
EVS = "--task evs --model MODEL"
TRIED = "demo --task vss --model m.safetensors"
TEXT = b"this is not a video, whatever its name says\n" * 9
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

USAGE = [
    Fault("P1 no exemplar", clip_at("in.mp4"), f"in.mp4 {EVS}", 2, "--exemplar"),
    Fault("exemplar without evs", clip_at("in.mp4"), f"in.mp4 {VSS} --exemplar box:1,1,5,5", 2, "--task evs"),
    Fault("no task", clip_at("in.mp4"), "in.mp4 --model MODEL", 2, "--task vis .* evs"),
    Fault("another task", clip_at("in.mp4"), "in.mp4 --task vos --model MODEL", 2, "'vos'"),
    Fault("another result", clip_at("in.mp4"), f"in.mp4 {VSS} --save vidoe", 2, "did you mean 'video'"),
    Fault("result of another task", clip_at("in.mp4"), f"in.mp4 {VSS} --save mots", 2, "mots .* vss"),
    Fault("no result", clip_at("in.mp4"), f"in.mp4 {VSS} --save ,", 2, "--save names nothing"),
    Fault("-y and -n", clip_at("in.mp4"), f"in.mp4 {VSS} -y -n", 2, "contradict"),
    Fault("stdout twice", clip_at("in.mp4"), f"in.mp4 {VSS} -o - --json", 2, "-o - and --json"),
    Fault("two results into stdout", clip_at("in.mp4"), f"in.mp4 {VSS} -o - --save video,json", 2, "-o - takes one"),
    Fault("a folder into stdout", clip_at("in.mp4"), f"in.mp4 {VSS} -o - --save png", 2, "--save png"),
    Fault("two inputs into stdout", clip_at("in.mp4"), f"in.mp4 demo {VSS} -o -", 2, "-o - takes one input"),
    Fault("two inputs into a file", clip_at("in.mp4"), f"in.mp4 demo {VSS} -o a.mp4", 2, "one file for 2 inputs"),
    Fault("a result under no name of its", clip_at("in.mp4"), f"in.mp4 {VSS} -o a.xyz", 2, r"\.xyz; known: .*\.mp4"),
    Fault("opacity out of range", clip_at("in.mp4"), f"in.mp4 {VSS} --alpha 3", 2, "alpha: .*less than or equal to 1"),
    Fault("no class of that name", clip_at("in.mp4"), f"in.mp4 {VSS} --classes skyy", 2, "did you mean 'sky'"),
    Fault("no effect", clip_at("in.mp4"), f"in.mp4 {VSS} --conf 0.5", 2, "--conf has no effect on --task vss"),
    Fault("unknown setting", clip_at("in.mp4"), f"in.mp4 {VSS} --set tracking.memry=1", 2, "did you mean 'memory'"),
    Fault(
        "setting of another task",
        clip_at("in.mp4"),
        f"in.mp4 {VSS} --set vis.covered=1",
        2,
        "vis.covered has no effect",
    ),
    Fault(
        "setting that is an option", clip_at("in.mp4"), f"in.mp4 {VSS} --set vps.conf=1", 2, "an option for it, --conf"
    ),
    Fault("setting of no section", clip_at("in.mp4"), f"in.mp4 {VSS} --set memory=1", 2, "section.name=value"),
    Fault(
        "setting of a wrong type", clip_at("in.mp4"), f"in.mp4 {VSS} --set tracking.memory=soon", 2, "memory: .*'soon'"
    ),
    Fault("no time", clip_at("in.mp4"), f"in.mp4 {VSS} --start noon", 2, "'noon' is not a time"),
    Fault(
        "M23 after the end",
        clip_at("in.mp4"),
        f"in.mp4 {VSS} --start 1:00",
        2,
        "no frame is chosen.* 2 frames in 0.08 s",
    ),
    Fault("no device", clip_at("in.mp4"), f"in.mp4 {VSS} --device tpu", 2, "--device tpu: wanted auto, cpu, cuda"),
    Fault("K15 fp16 on a CPU", clip_at("in.mp4"), f"in.mp4 {VSS} --device cpu --dtype fp16", 2, "fp16 .*bf16 or fp32"),
    Fault("a way of progress", clip_at("in.mp4"), f"in.mp4 {VSS} --progress bars", 2, "did you mean 'bar'"),
    Fault("a URL of another kind", nothing, f"ftp://host/in.mp4 {VSS}", 2, "cannot read ftp://"),
    Fault(
        "F3 one output of two inputs", both(clip_at("in.mp4"), clip_at("in.mkv")), f"in.mp4 in.mkv {VSS}", 2, "twice"
    ),
    Fault("P6 exemplar after the end", clip_at("in.mp4"), f"in.mp4 {EVS} --exemplar point:9,9@7", 2, "frame 7"),
    Fault(
        "P9 point outside", clip_at("in.mp4"), f"in.mp4 {EVS} --exemplar point:64,5", 2, "point is not on the picture"
    ),
    Fault("P9 no number", clip_at("in.mp4"), f"in.mp4 {EVS} --exemplar box:1,nan,5,5", 2, "wanted x,y,w,h as numbers"),
    Fault("P9 corners turned", clip_at("in.mp4"), f"in.mp4 {EVS} --exemplar box:9,9,-5,5", 2, "wanted more than 0"),
]

MEDIA = [
    Fault(
        "M1 missing", clip_at("clip1.mp4"), f"clip2.mp4 {VSS}", 3, "clip2.mp4: no such file.*did you mean 'clip1.mp4'"
    ),
    Fault("M1 folder of nothing", lambda folder: (folder / "d").mkdir(), f"d {VSS}", 3, "d: .*neither videos nor"),
    Fault("M2 empty", bytes_in("in.mp4", b""), f"in.mp4 {VSS}", 3, "in.mp4: .*empty"),
    Fault("M3 text", bytes_in("in.mp4", TEXT), f"in.mp4 {VSS}", 3, "in.mp4: .*text"),
    Fault("M3 web page", bytes_in("in.mp4", b"<!DOCTYPE html><html>" + TEXT), f"in.mp4 {VSS}", 3, "web page"),
    Fault("M3 Git LFS", bytes_in("in.mp4", LFS), f"in.mp4 {VSS}", 3, "git lfs pull"),
    Fault("M4 no index", without_index, f"in.mp4 {VSS}", 3, "moov"),
    Fault("M8 sound only", copy("audio-only.mp4"), f"in.mp4 {VSS}", 3, "no video stream, only .*audio"),
    Fault("M16 too large", too_wide, f"in.png {VSS}", 3, "16400.*too large: the limit"),
    Fault(
        "M5 cut, strict",
        copy("truncated-tail.mp4"),
        f"in.mp4 {VSS} --save csv --strict",
        3,
        "47 of 120",
        {"in.vss.csv"},
    ),
    Fault("M28 a folder of unreadable pictures", bytes_in("a.png", TEXT), f". {VSS}", 3, "a.png: not a picture"),
]

EXEMPLARS = [
    Fault(
        "P2 another shape", mask("m.png", (64, 64)), f"demo:size=64x48 {EVS} --exemplar m.png", 5, "64 × 64.*64 × 48"
    ),
    Fault("P3 lossy", blurred_mask, f"demo:size=64x48 {EVS} --exemplar m.jpg", 5, "m.jpg.*lossy"),
    Fault("P4 empty", mask("m.png", value=0), f"demo:size=64x48 {EVS} --exemplar m.png", 5, "m.png"),
    Fault("P4 only void", only_void, f"demo:size=64x48 {EVS} --exemplar 0:m.png", 5, "m.png"),
    Fault(
        "P7 given twice, strict",
        both(mask("a.png"), mask("b.png")),
        f"demo:size=64x48 {EVS} --exemplar 0:a.png --exemplar 0:b.png --strict",
        5,
        "given twice on frame 0",
    ),
    Fault("no such exemplar", nothing, f"demo:size=64x48 {EVS} --exemplar m.png", 2, "m.png: no such file"),
]


def weights(change: Callable[[Path], object]) -> Make:
    """A good model file, changed, as `m.safetensors`."""

    def make(folder: Path) -> None:
        shutil.copy(folder / "good.safetensors", folder / "m.safetensors")
        change(folder / "m.safetensors")

    return make


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


def retold(change: Callable[[dict[str, torch.Tensor], dict[str, object]], object]) -> Callable[[Path], None]:
    """Change tensors or what is said about them."""

    def write(path: Path) -> None:
        tensors = load_file(path)
        head = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
        said = json.loads(head["__metadata__"]["gvseg"])
        change(tensors, said)
        save_file(tensors, path, metadata={"gvseg": json.dumps(said)})

    return write


def header_bomb(path: Path) -> None:
    path.write_bytes((100 * 2**20).to_bytes(8, "little") + b"{" + b" " * 1000)


class Hostile:
    """A pickle that would make a file when it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, ("pwned",)


MODELS = [
    Fault("no such model", nothing, TRIED, 5, "m.safetensors"),
    Fault("K1 Git LFS", bytes_in("m.safetensors", LFS), TRIED, 5, "git lfs pull"),
    Fault(
        "K1 web page",
        bytes_in("m.safetensors", b"<html>" + TEXT),
        TRIED,
        5,
        "web page",
    ),
    Fault("K1 empty", bytes_in("m.safetensors", b""), TRIED, 5, "empty"),
    Fault(
        "K1 truncated",
        weights(truncated),
        TRIED,
        5,
        "m.safetensors: .*(cut|truncated)",
    ),
    Fault("K2 flipped byte", weights(flipped), TRIED, 5, "SHA-256"),
    Fault("K3 header bomb", weights(header_bomb), TRIED, 5, "m.safetensors: "),
    Fault(
        "K4 hostile pickle",
        bytes_in("m.pkl", pickle.dumps(Hostile())),
        "demo --task vss --model m.pkl",
        5,
        "m.pkl: .*mkdir",
    ),
    Fault(
        "K5 missing tensor",
        weights(retold(lambda tensors, _: tensors.popitem())),
        TRIED,
        5,
        "m.safetensors: ",
    ),
    Fault(
        "K6 another task",
        weights(retold(lambda _, said: said.update(tasks=["vis"]))),
        TRIED,
        5,
        "for vis, not for vss",
    ),
    Fault(
        "K7 not a number",
        weights(retold(lambda tensors, _: next(iter(tensors.values())).fill_(float("nan")))),
        TRIED,
        5,
        "m.safetensors",
    ),
    Fault("offline", nothing, "demo --task vss --model hf://gvseg/none --offline", 5, "hf://gvseg/none"),
]

OUTPUTS = [
    Fault(
        "F1 exists",
        both(clip_at("in.mp4"), bytes_in("in.vss.json", b"{}")),
        f"in.mp4 {VSS}",
        4,
        "in.vss.json exists.*-y",
    ),
    Fault("F2 hard link", hard_link, f"in.mp4 {VSS} -y", 4, "in.vss.mp4 is .*input"),
    Fault("F2 same path", clip_at("in.mp4"), f"in.mp4 {VSS} -y -o ./in.mp4", 4, "in.mp4 is .*input"),
    Fault(
        "F2 an exemplar",
        both(clip_at("in.mp4"), mask("m.png")),
        f"in.mp4 {EVS} --exemplar 0:m.png --save contact -o m.png -y",
        4,
        "m.png is .*input",
    ),
    Fault("F7 full device", clip_at("in.mp4"), f"in.mp4 {VSS} -o /dev/full/", 4, "/dev/full"),
    Fault("F8 folder of a folder", clip_at("in.mp4"), f"in.mp4 {VSS} -o a/b/c/", 4, "no folder a/b"),
    Fault("a file in the way", both(clip_at("in.mp4"), bytes_in("out", b"x")), f"in.mp4 {VSS} -o out/", 4, "out"),
    Fault(
        "X9 planted link",
        both(clip_at("in.mp4"), lambda folder: (folder / "in.vss.csv").symlink_to("elsewhere")),
        f"in.mp4 {VSS} --save csv -y",
        4,
        "symbolic link",
    ),
]

ALL = [*USAGE, *MEDIA, *EXEMPLARS, *MODELS, *OUTPUTS]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    found = (path for path in folder.rglob("*"))
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in found}


@pytest.mark.parametrize("fault", ALL, ids=lambda fault: fault.name)
def test_a_fault_is_one_line_and_harms_nothing(fault: Fault, gvseg: Run, tmp_path: Path, model: Path) -> None:
    if "m.safetensors" in fault.words:
        os.link(model, tmp_path / "good.safetensors")
    fault.make(tmp_path)
    before = snapshot(tmp_path)
    done = gvseg("predict", *fault.words.split())
    after = snapshot(tmp_path)
    assert (done.code, len(done.errors)) == (fault.code, 1), done.err
    assert re.search(fault.says, done.errors[0]), done.errors[0]
    assert done.errors[0].startswith("gvseg: error: ")
    assert "Traceback" not in done.err
    assert after.keys() - before.keys() == fault.written
    assert {name: after[name] for name in before} == before
