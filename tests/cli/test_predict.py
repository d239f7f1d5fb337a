"""`gvseg predict` where all goes well: what is written, where, and what is said."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from PIL import Image

from tests.cli.conftest import NUM_FRAMES, Done, write_clip

Run = Callable[..., Done]
VSS = ("--task", "vss", "--model", "MODEL")


def num_frames(video: Path | bytes) -> int:
    with av.open(str(video) if isinstance(video, Path) else io.BytesIO(video)) as opened:
        return sum(1 for _ in opened.decode(video=0))


def read_info(path: Path) -> dict[str, object]:
    info: dict[str, object] = json.loads(path.read_text())["info"]
    return info


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", ["vis", "vss", "vps"])
def test_a_clip_becomes_a_video_and_json_here(task: str, gvseg: Run, clip: Path) -> None:
    done = gvseg("predict", "clip.mp4", "--task", task, "--model", "MODEL")
    assert (done.code, done.out.decode()) == (0, f"clip.{task}.mp4\nclip.{task}.json\n")
    assert num_frames(clip.with_name(f"clip.{task}.mp4")) == NUM_FRAMES
    info = read_info(clip.with_name(f"clip.{task}.json"))
    assert (info["complete"], info["task"], info["input"]) == (True, task, "clip.mp4")
    assert len(str(info["model_sha256"])) == 64


@pytest.mark.parametrize("exemplar", ["box:0,10,20,20", "point:10,20", "3:mask.png", "mask.png"])
def test_evs_follows_what_it_is_shown(exemplar: str, gvseg: Run, clip: Path) -> None:
    mask = Image.new("L", (64, 48))
    mask.paste(1, (0, 10, 20, 30))
    mask.save(clip.with_name("mask.png"))
    words = ("--task", "evs", "--model", "MODEL", "--exemplar", exemplar)
    assert gvseg("predict", "clip.mp4", *words, "--conf", "0").code == 0
    annotations = json.loads(clip.with_name("clip.evs.json").read_text())["annotations"]
    assert [annotation["id"] for annotation in annotations] == [1]


def test_the_demo_shows_its_own_exemplars(gvseg: Run, tmp_path: Path) -> None:
    assert gvseg("predict", "demo:frames=4,size=64x48", "--task", "evs", "--model", "MODEL").code == 0
    assert num_frames(tmp_path / "demo.evs.mp4") == 4


@pytest.mark.parametrize(
    ("output", "save", "written"),
    [
        (None, None, {"clip.vss.mp4", "clip.vss.json"}),
        ("out", None, {"out/clip.vss.mp4", "out/clip.vss.json"}),
        ("out/", "csv", {"out/clip.vss.csv"}),
        ("it.mkv", None, {"it.mkv", "it.json"}),
        ("it.json", None, {"it.json"}),
        ("out/it.csv", None, {"out/it.csv"}),
        ("it.mp4", "video", {"it.mp4"}),
        ("maps.d", "png", {f"maps.d/{index:06}.png" for index in range(NUM_FRAMES)}),
        (None, "contact,csv", {"clip.vss.contact.png", "clip.vss.csv"}),
    ],
)
def test_results_go_where_they_are_sent(
    output: str | None, save: str | None, written: set[str], gvseg: Run, clip: Path
) -> None:
    words = [*(["-o", output] if output else []), *(["--save", save] if save else [])]
    done = gvseg("predict", "clip.mp4", *VSS, *words)
    assert (done.code, done.errors) == (0, [])
    assert tree(clip.parent) == {"clip.mp4", *written}


def test_a_folder_of_videos_is_mirrored(gvseg: Run, tmp_path: Path) -> None:
    for place in ("clips/a", "clips/b/c"):
        (tmp_path / place).mkdir(parents=True)
        write_clip(tmp_path / place / "x.mp4", 2)
    done = gvseg("predict", "clips", "-r", *VSS, "-o", "out", "--save", "json")
    assert (done.code, done.out) == (0, b"out/a/x.vss.json\nout/b/c/x.vss.json\n")


def test_a_range_and_a_stride_choose_frames(gvseg: Run, clip: Path) -> None:
    gvseg("predict", "clip.mp4", *VSS, "--start", "f2", "--end", "0.36", "--stride", "3", "--json")
    assert gvseg("predict", "clip.mp4", *VSS, "--start", "f2", "--end", "0.36", "--save", "json").code == 0
    video = json.loads(clip.with_name("clip.vss.json").read_text())["videos"][0]
    assert video["frame_indices"] == [2, 3, 4, 5, 6, 7, 8]


def test_json_lines_alone_write_no_file(gvseg: Run, clip: Path) -> None:
    done = gvseg("predict", "clip.mp4", *VSS, "--json", "--stride", "4")
    assert [json.loads(line)["frame"] for line in done.out.splitlines()] == [0, 4, 8]
    assert tree(clip.parent) == {"clip.mp4"}


def test_json_lines_of_several_inputs_go_with_files(gvseg: Run, clip: Path) -> None:
    write_clip(clip.with_name("other.mp4"), 1)
    done = gvseg("predict", "clip.mp4", "other.mp4", *VSS, "--json", "--save", "csv")
    assert [json.loads(line)["video"] for line in done.out.splitlines()] == ["clip"] * NUM_FRAMES + ["other"]
    assert tree(clip.parent) == {"clip.mp4", "other.mp4", "clip.vss.csv", "other.vss.csv"}


@pytest.mark.parametrize(("save", "is_there"), [("video", lambda out: num_frames(out) == 12), ("json", json.loads)])
def test_stdout_takes_one_result_and_nothing_else(
    save: str, is_there: Callable[[bytes], object], gvseg: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gvseg_core.segmenter import Segmenter

    decide = Segmenter.decide

    def noisy(*given: object) -> object:
        print("a library that prints")
        return decide(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(Segmenter, "decide", noisy)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", open(1, "w", closefd=False))  # noqa: SIM115 - what a process of its own has
        done = gvseg("predict", "clip.mp4", *VSS, "-o", "-", "--save", save)
    assert done.code == 0
    assert is_there(done.out)
    assert "a library that prints" in done.err
    assert tree(clip.parent) == {"clip.mp4"}


def test_the_null_device_takes_everything(gvseg: Run, clip: Path) -> None:
    assert gvseg("predict", "clip.mp4", *VSS, "-o", "/dev/null").code == 0
    assert tree(clip.parent) == {"clip.mp4"}
    assert Path("/dev/null").is_char_device()


def test_existing_results_are_skipped_or_replaced_when_asked(gvseg: Run, clip: Path) -> None:
    gvseg("predict", "clip.mp4", *VSS)
    before = {path.name: path.stat().st_mtime_ns for path in clip.parent.iterdir()}
    done = gvseg("predict", "clip.mp4", *VSS, "-n")
    assert (done.code, done.out) == (0, b"")
    assert "skipped" in done.err
    assert {path.name: path.stat().st_mtime_ns for path in clip.parent.iterdir()} == before
    assert gvseg("predict", "clip.mp4", *VSS, "-y").code == 0
    assert all(before[path.name] != path.stat().st_mtime_ns for path in clip.parent.glob("*.vss.*"))


def test_only_what_is_missing_is_done_with_skip_existing(gvseg: Run, clip: Path) -> None:
    write_clip(clip.with_name("other.mp4"), 2)
    gvseg("predict", "clip.mp4", *VSS, "--save", "csv")
    done = gvseg("predict", "clip.mp4", "other.mp4", *VSS, "--save", "csv", "-n")
    assert (done.code, done.out) == (0, b"other.vss.csv\n")


def test_a_dry_run_tells_all_and_writes_nothing(gvseg: Run, clip: Path, model: Path) -> None:
    done = gvseg("predict", "clip.mp4", "demo:frames=3,size=32x16", *VSS, "--dry-run", "--stride", "5")
    assert done.code == 0
    assert done.out.decode().splitlines()[:2] == [
        "clip.mp4: 64x48, 3 frames -> clip.vss.mp4, clip.vss.json",
        "demo:frames=3,size=32x16: 32x16, 1 frame -> demo.vss.mp4, demo.vss.json",
    ]
    assert f"{model}: " in done.out.decode().splitlines()[2]
    assert tree(clip.parent) == {"clip.mp4"}


def test_the_same_command_gives_the_same_bytes(gvseg: Run, clip: Path) -> None:
    for folder in ("one", "two"):
        gvseg("predict", "clip.mp4", "--task", "vps", "--model", "MODEL", "-o", folder, "--save", "json,png")
    one, two = clip.parent / "one", clip.parent / "two"
    assert tree(one) == tree(two)
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in tree(one))


def test_labels_opacity_and_colours_change_the_picture(gvseg: Run, clip: Path) -> None:
    looks = [(), ("--no-labels",), ("--alpha", "0"), ("--color-by", "track")]
    words = ("--task", "vps", "--model", "MODEL", "--conf", "0", "-y", "--save", "contact", "--end", "f1")
    pictures = set()
    for look in looks:
        gvseg("predict", "clip.mp4", *words, *look)
        pictures.add(clip.with_name("clip.vps.contact.png").read_bytes())
    assert len(pictures) == len(looks)


def test_settings_are_recorded_with_the_result(gvseg: Run, clip: Path) -> None:
    words = ("--size", "64", "--set", "tracking.memory=5", "--stride", "6", "--save", "json")
    gvseg("predict", "clip.mp4", "--task", "vis", "--model", "MODEL", *words)
    settings = read_info(clip.with_name("clip.vis.json"))["settings"]
    assert settings == {"size": 64, "stride": 6, "overrides": {"tracking": {"memory": 5}}}


def test_sound_is_kept_unless_it_is_not_wanted(gvseg: Run, tmp_path: Path) -> None:
    from tests.conftest import shared

    shutil.copy(shared("data", "clips", "chaplin-bw.mp4"), tmp_path / "c.mp4")
    for flag, kept in (((), 1), (("--no-audio",), 0)):
        gvseg("predict", "c.mp4", *VSS, "--end", "f3", "--save", "video", "-y", *flag)
        with av.open(str(tmp_path / "c.vss.mp4")) as video:
            assert len(video.streams.audio) == kept


def test_frames_in_a_folder_come_in_natural_order(gvseg: Run, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for number in (1, 2, 10):
        Image.new("RGB", (32, 16), (number, 0, 0)).save(tmp_path / "shots" / f"{number}.png")
    (tmp_path / "shots" / ".DS_Store").write_bytes(b"x")
    done = gvseg("predict", "shots", *VSS, "--save", "json")
    assert done.code == 0
    assert "gaps in the numbers" in done.err
    assert json.loads((tmp_path / "shots.vss.json").read_text())["videos"][0]["length"] == 3


def test_an_animated_gif_and_a_single_picture_are_videos_too(gvseg: Run, tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (32, 16), (shade, 0, 0)) for shade in (0, 99, 200)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=40)
    pictures[0].save(tmp_path / "p.png")
    assert gvseg("predict", "a.gif", "p.png", *VSS).code == 0
    assert (num_frames(tmp_path / "a.vss.mp4"), num_frames(tmp_path / "p.vss.mp4")) == (3, 1)


def test_a_list_names_inputs(gvseg: Run, clip: Path) -> None:
    clip.with_name("list.txt").write_text("# two of them\nclip.mp4\nnot there.mp4\n")
    done = gvseg("predict", "@list.txt", *VSS, "--save", "csv")
    assert (done.code, done.out, len(done.errors)) == (1, b"clip.vss.csv\n", 1)


@pytest.mark.parametrize(
    "name", ["a b.mp4", 'it\'s "q".mp4', "new\nline.mp4", "-dash.mp4", "\U0001f600.mp4", "x" * 251]
)
def test_any_name_a_file_can_have_works(name: str, gvseg: Run, tmp_path: Path) -> None:
    name = name if name.endswith(".mp4") else f"{name}.mp4"
    write_clip(tmp_path / "c.mp4", 1).rename(tmp_path / name)
    done = gvseg("predict", *VSS, "--save", "csv", "--", name)
    assert (done.code, done.errors) == (0, [])
    assert len(list(tmp_path.glob("*.vss.csv"))) == 1
    assert all(line.startswith("gvseg: ") for line in done.err.splitlines())


def test_a_name_that_is_not_utf_8_works(gvseg: Run, tmp_path: Path) -> None:
    name = b"caf\xe9.mp4".decode(errors="surrogateescape")
    write_clip(tmp_path / "c.mp4", 1).rename(tmp_path / name)
    done = gvseg("predict", name, *VSS, "--save", "csv")
    assert (done.code, done.out) == (0, b"caf\xe9.vss.csv\n")


@pytest.mark.parametrize("name", ["a[/b].mp4", "[red]x.mp4", "\x1b]52;c;aGk=\x07.mp4", "\u202etxt.mp4", "a\rb.mp4"])
def test_a_name_never_acts_on_the_terminal(name: str, gvseg: Run, tmp_path: Path) -> None:
    path = tmp_path / name.replace("/", "")
    write_clip(tmp_path / "c.mp4", 1).rename(path)
    done = gvseg("predict", path.name, *VSS, "--save", "csv", "-v")
    assert done.code == 0
    assert all(c.isprintable() or c == "\n" for c in done.err)
    if name.startswith(("a[", "[red")):
        assert path.name in done.err
    missing = gvseg("predict", f"no {path.name}", *VSS)
    assert missing.code == 3
    assert all(c.isprintable() or c == "\n" for c in missing.err)
