"""VIPSeg: panoptic maps of `panomasksRGB/<video>/<frame>.png`, or the raw `panomasks`, and 124 classes.

58 things and 66 kinds of stuff, in the order in which public checkpoints have them. Results are `pred.json`, and
`pan_pred/<video>/<frame>.png` whose colours are segment ids. Raw maps (16 bits) say it all by themselves, as the set's
converter reads them: 0 is void, below 125 a class and one segment of it, else the class times 100 and the object.

Sources: VIPSeg-Dataset/VIPSeg-Dataset, `panoVIPSeg_categories.json` (names, numbers and colours, in the set's own
spelling; one colour is used twice), `create_panoptic_video_labels.py` and `ClipPanoFCN/eval_vpq_vspw.py` (files). DVIS,
DVIS++, Tube-Link and UniVS put the 58 things first, then the stuff, each in the order of the set's numbers; VSPW's own
scripts, and Tube-Link on VSPW, keep the numbers' order (`vspw.py`). How we differ: frames are paired by name, not by
place; and areas that are not those of the PNG are refused, where the set's program would count with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from gvseg_core.data.benchmark import Benchmark
from gvseg_core.data.classes import parse_classes, things_first
from gvseg_core.data.folders import (
    PICTURES,
    find_folders,
    find_frames,
    folders_in,
    frames_in,
    is_plain,
    read_list,
    shown,
)
from gvseg_core.data.json_files import read_json, read_record
from gvseg_core.data.json_records import Record
from gvseg_core.data.map_files import read_id_runs, read_labels
from gvseg_core.data.map_videos import MapFootage, MapResults, MapTruth
from gvseg_core.data.names import pair_names, stem_of
from gvseg_core.data.panoptic_json import PanopticList, read_categories
from gvseg_core.data.recognition import misfit, recognise
from gvseg_core.errors import DataError
from gvseg_core.files import printable
from gvseg_core.ops.label_maps import Known, MapSegments
from gvseg_core.types import Size, Truth, Vocabulary

TABLE = """
0 stuff 120,120,120 wall
1 stuff 180,120,120 ceiling
2 thing 6,230,230 door
3 stuff 80,50,50 stair
4 thing 4,200,3 ladder
5 stuff 120,120,80 escalator
6 stuff 140,140,140 Playground_slide
7 stuff 204,5,255 handrail_or_fence
8 thing 230,230,230 window
9 stuff 4,250,7 rail
10 thing 224,5,255 goal
11 stuff 235,255,7 pillar
12 stuff 150,5,61 pole
13 stuff 120,120,70 floor
14 stuff 8,255,51 ground
15 stuff 255,6,82 grass
16 stuff 143,255,140 sand
17 stuff 204,255,4 athletic_field
18 stuff 255,51,7 road
19 stuff 204,70,3 path
20 stuff 0,102,200 crosswalk
21 stuff 61,230,250 building
22 stuff 255,6,51 house
23 stuff 11,102,255 bridge
24 stuff 255,7,71 tower
25 stuff 255,9,224 windmill
26 stuff 9,7,230 well_or_well_lid
27 stuff 220,220,220 other_construction
28 stuff 255,9,92 sky
29 stuff 112,9,255 mountain
30 stuff 8,255,214 stone
31 stuff 7,255,224 wood
32 stuff 255,184,6 ice
33 stuff 10,255,71 snowfield
34 stuff 255,41,10 grandstand
35 stuff 7,255,255 sea
36 stuff 224,255,8 river
37 stuff 102,8,255 lake
38 stuff 255,61,6 waterfall
39 stuff 255,194,7 water
40 stuff 255,122,8 billboard_or_Bulletin_Board
41 thing 0,255,20 sculpture
42 stuff 255,8,41 pipeline
43 thing 255,5,153 flag
44 thing 6,51,255 parasol_or_umbrella
45 stuff 235,12,255 cushion_or_carpet
46 thing 160,150,20 tent
47 thing 0,163,255 roadblock
48 thing 140,140,140 car
49 thing 250,10,15 bus
50 thing 20,255,0 truck
51 thing 31,255,0 bicycle
52 thing 255,31,0 motorcycle
53 stuff 255,224,0 wheeled_machine
54 thing 153,255,0 ship_or_boat
55 thing 0,0,255 raft
56 thing 255,71,0 airplane
57 stuff 0,235,255 tyre
58 stuff 0,173,255 traffic_light
59 stuff 31,0,255 lamp
60 thing 11,200,200 person
61 thing 255,82,0 cat
62 thing 0,255,245 dog
63 thing 0,61,255 horse
64 thing 0,255,112 cattle
65 thing 0,255,133 other_animal
66 stuff 255,0,0 tree
67 stuff 255,163,0 flower
68 stuff 255,102,0 other_plant
69 stuff 194,255,0 toy
70 stuff 0,143,255 ball_net
71 stuff 51,255,0 backboard
72 thing 0,82,255 skateboard
73 stuff 0,255,41 bat
74 thing 0,255,173 ball
75 stuff 10,0,255 cupboard_or_showcase_or_storage_rack
76 thing 173,255,0 box
77 thing 0,255,153 traveling_case_or_trolley_case
78 thing 255,92,0 basket
79 thing 255,0,255 bag_or_package
80 stuff 255,0,245 trash_can
81 stuff 255,0,102 cage
82 thing 255,173,0 plate
83 thing 255,0,20 tub_or_bowl_or_pot
84 thing 255,184,184 bottle_or_cup
85 thing 0,31,255 barrel
86 thing 0,255,61 fishbowl
87 thing 0,71,255 bed
88 thing 255,0,204 pillow
89 thing 0,255,194 table_or_desk
90 thing 0,255,82 chair_or_seat
91 thing 0,10,255 bench
92 thing 0,112,255 sofa
93 stuff 51,0,255 shelf
94 stuff 0,194,255 bathtub
95 thing 0,122,255 gun
96 thing 0,255,163 commode
97 thing 255,153,0 roaster
98 stuff 0,255,10 other_machine
99 thing 255,112,0 refrigerator
100 thing 143,255,0 washing_machine
101 thing 82,0,255 Microwave_oven
102 thing 163,255,0 fan
103 stuff 255,235,0 curtain
104 stuff 8,184,170 textiles
105 stuff 133,0,255 clothes
106 thing 0,255,92 painting_or_poster
107 thing 184,0,255 mirror
108 thing 255,0,31 flower_pot_or_vase
109 thing 0,184,255 clock
110 stuff 0,214,255 book
111 stuff 255,0,112 tool
112 stuff 92,255,0 blackboard
113 stuff 0,224,255 tissue
114 thing 112,224,255 screen_or_television
115 thing 70,184,160 computer
116 thing 163,0,255 printer
117 thing 153,0,255 Mobile_phone
118 thing 71,255,0 keyboard
119 stuff 255,0,163 other_electronic_product
120 stuff 255,204,0 fruit
121 stuff 255,0,143 food
122 thing 0,255,235 instrument
123 thing 133,255,0 train
"""

VIPSEG = Vocabulary("vipseg", things_first(parse_classes(TABLE)))


RATE = Fraction(5)  # annotated frames a second
CATEGORIES = "panoVIPSeg_categories.json"
_FIRST_OBJECT = 125  # raw values from here on are class × 100 + object


@dataclass(frozen=True, slots=True)
class _Files:
    """Where a split lies."""

    root: Path
    split: str
    listing: Path | None  # the JSON that goes with panomasksRGB; None where raw maps are read


def read_truth(path: Path) -> MapTruth:
    """The ground truth of val.

    Args:
        path: the folder with `panoptic_gt_VIPSeg_val.json` and `panomasksRGB`, or with `panomasks` alone; one with that
            folder in it; or the JSON.

    Raises:
        DataError: something is missing, or it is another set.
    """
    return _truth(_find(path, "val"))


def read_results(path: Path, truth: Truth) -> MapResults:
    """Results in `pred.json` and `pan_pred`.

    Raises:
        DataError: something is missing; a video, frame or category that `truth` does not have; or see `MapResults`.
    """
    if not (path / "pred.json").is_file():
        raise misfit(path, "vipseg", "no pred.json in it; wanted the folder of pred.json and pan_pred")
    listed = PanopticList(read_record(path / "pred.json"), truth.vocabulary)
    spelt = pair_names(truth.videos, listed.videos, path / "pred.json")

    def read(video: str, place: int, file: Path, size: Size) -> MapSegments:
        names = truth.frame_names(video) if isinstance(truth, MapTruth) else None
        frames = listed.frames(spelt[video], names)
        if place >= len(frames):
            raise DataError(f"{printable(path / 'pred.json')}: {printable(video)} has only {len(frames)} frames")
        return MapSegments(read_id_runs(file, size), lambda occurring: frames[place].check(occurring, file))

    return MapResults(path / "pan_pred", truth, read, "vipseg", listed.videos)


def open_split(path: Path, split: str) -> MapFootage:
    """The pictures of a split, `imgs/<video>/<frame>.jpg` or `images/…`; those that have a map, where any has.

    Raises:
        DataError: something is missing.
    """
    files = _find(path, split)
    folder = next((files.root / name for name in ("imgs", "images") if (files.root / name).is_dir()), None)
    if folder is None:
        raise misfit(files.root, "vipseg", "no imgs or images in it; wanted the pictures, a folder for each video")
    if not any((files.root / name).is_dir() for name in ("panomasks", "panomasksRGB")):
        videos = find_folders(folder, read_list(files.root / f"{split}.txt"), f"{split}.txt")
        pictures = {video: frames_in(place, PICTURES) for video, place in videos.items()}
        return MapFootage(_categories(files), pictures, RATE, None, f"no maps of {split}; {BENCHMARK.server}")
    truth = _truth(files)
    videos = find_folders(folder, truth.videos, "the ground truth")
    pictures = {video: find_frames(place, truth.frame_names(video), PICTURES) for video, place in videos.items()}
    return MapFootage(truth.vocabulary, pictures, RATE, truth)


def _find(path: Path, split: str) -> _Files:
    """The folder of a split's files, and its JSON."""
    if path.is_file() and path.suffix == ".json":
        return _Files(path.parent, split, path)
    for root in (path, path / "VIPSeg_720P", path / "VIPSeg"):
        listing = root / f"panoptic_gt_VIPSeg_{split}.json"
        if listing.is_file():
            return _Files(root, split, listing)
        if (root / "panomasks").is_dir() or ((root / f"{split}.txt").is_file() and (root / "imgs").is_dir()):
            return _Files(root, split, None)
    missing = f"neither panoptic_gt_VIPSeg_{split}.json nor panomasks in it; wanted VIPSeg's folder"
    raise misfit(path, "vipseg", missing)


def _truth(files: _Files) -> MapTruth:
    if files.listing is None or (not (files.root / "panomasksRGB").is_dir() and (files.root / "panomasks").is_dir()):
        return _raw_truth(files)
    record = read_record(files.listing)
    if not {"videos", "annotations", "categories"} <= record.value.keys() or recognise(files.listing) == "ytvis21":
        raise misfit(files.listing, "vipseg", "wanted videos, annotations of segments_info, and categories")
    vocabulary = read_categories(record.records("categories"), VIPSEG)
    listed = PanopticList(record, vocabulary)
    stems = _frames(record)
    if odd := sorted(stems.keys() ^ set(listed.videos)):
        raise DataError(f"{record.where}: videos and annotations do not list the same: {shown(odd)}")
    folders = find_folders(files.root / "panomasksRGB", list(stems), files.listing.name)
    maps = {video: find_frames(folders[video], names) for video, names in stems.items()}

    def read(video: str, place: int, file: Path, size: Size) -> MapSegments:
        frame = listed.frames(video, stems[video])[place]
        segments = MapSegments(read_id_runs(file, size), lambda occurring: frame.check(occurring, file))
        regions = segments.regions
        stated = [
            frame.areas.get(int(label), area) for label, area in zip(regions.track_ids, regions.areas, strict=True)
        ]
        if (wrong := np.flatnonzero(regions.areas != stated)).size:
            label, area = regions.track_ids[wrong[0]], regions.areas[wrong[0]]
            raise DataError(
                f"{frame.where}: segment {label} has area {stated[wrong[0]]}, but {area} pixels in {printable(file)}"
            )
        return segments

    return MapTruth(vocabulary, maps, read, tracks=lambda video: listed.tracks(video, stems[video]))


def _frames(record: Record) -> dict[str, list[str]]:
    """Video → what its frames are called, in the JSON's order."""
    stems: dict[str, list[str]] = {}
    for video in record.records("videos"):
        name = video.text("video_id")
        if name in stems or not is_plain(name):
            fault = "stands twice" if name in stems else "is not the name of a folder"
            raise DataError(f"{video.path('video_id')}: {printable(name)} {fault}")
        stems[name] = [stem_of(image.text("file_name")) for image in video.records("images")]
        if not stems[name] or len(set(stems[name])) < len(stems[name]):
            raise DataError(f"{video.path('images')}: {'a frame stands twice' if stems[name] else 'no frame in it'}")
    if not stems:
        raise DataError(f"{record.where}: no video in it")
    return stems


def _raw_truth(files: _Files) -> MapTruth:
    """What the raw maps say; a class is known by its number in the set."""
    vocabulary = _categories(files)
    class_of = {info.dataset_id: class_id for class_id, info in enumerate(vocabulary.classes)}
    folder, listed = files.root / "panomasks", files.root / f"{files.split}.txt"
    names = read_list(listed) if listed.exists() else folders_in(folder)
    if not names:
        raise DataError(f"{printable(folder)}: no video in it; wanted a folder for each")
    maps = {name: frames_in(place) for name, place in find_folders(folder, names, listed.name).items()}

    def read(_video: str, _place: int, file: Path, size: Size) -> MapSegments:
        return MapSegments(read_labels(file, size), partial(_tell_raw, class_of, file))

    return MapTruth(vocabulary, maps, read, notes=["panomasksRGB is not there: read panomasks, the raw maps"])


def _tell_raw(class_of: dict[int, int], file: Path, occurring: Iterable[int]) -> Known:
    known = {}
    for label in occurring:
        number = (label if label < _FIRST_OBJECT else label // 100) - 1
        if label and number not in class_of:
            raise DataError(f"{printable(file)}: value {label} is of class {number}, which the set does not have")
        if label:
            known[label] = label, class_of[number], False
    return known


def _categories(files: _Files) -> Vocabulary:
    if not (files.root / CATEGORIES).exists():
        return VIPSEG
    found = read_json(files.root / CATEGORIES)
    records: Sequence[Record] = Record({"categories": found}, str(files.root / CATEGORIES)).records("categories")
    return read_categories(records, VIPSEG)


BENCHMARK = Benchmark(
    name="vipseg",
    title="VIPSeg",
    task="vps",
    vocabulary=VIPSEG,
    read_truth=read_truth,
    read_results=read_results,
    open=open_split,
    splits=("val", "train", "test"),
    server="the truth of test is kept by the PVUW challenge: send in a ZIP of pred.json and pan_pred",
)
