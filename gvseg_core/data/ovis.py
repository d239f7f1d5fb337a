"""OVIS: 25 things.

Names (in the set's own spelling) and numbers: the set's own `categories`; colours: those of MinVIS and DVIS
(`data_video/datasets/ytvis.py`, `OVIS_CATEGORIES`), as the set publishes none.
"""

from __future__ import annotations

from gvseg_core.data.classes import parse_classes
from gvseg_core.data.video_benchmark import video_benchmark
from gvseg_core.types import Vocabulary

TABLE = """
1 thing 220,20,60 Person
2 thing 255,109,65 Bird
3 thing 255,77,255 Cat
4 thing 0,226,252 Dog
5 thing 182,182,255 Horse
6 thing 0,125,92 Sheep
7 thing 120,166,157 Cow
8 thing 110,76,0 Elephant
9 thing 174,57,255 Bear
10 thing 199,100,0 Zebra
11 thing 72,0,118 Giraffe
12 thing 179,0,194 Poultry
13 thing 0,82,0 Giant_panda
14 thing 119,11,32 Lizard
15 thing 165,42,42 Parrot
16 thing 0,60,100 Monkey
17 thing 100,170,30 Rabbit
18 thing 166,196,102 Tiger
19 thing 73,77,174 Fish
20 thing 0,143,149 Turtle
21 thing 134,134,103 Bicycle
22 thing 0,0,230 Motorcycle
23 thing 106,0,228 Airplane
24 thing 0,0,192 Boat
25 thing 0,0,70 Vehical
"""

OVIS = Vocabulary("ovis", parse_classes(TABLE))

BENCHMARK = video_benchmark(
    "ovis",
    "OVIS",
    OVIS,
    server="send a ZIP of results.json to CodaLab competition 5857",
    short_side={"resnet": 720, "swin": 720},
    per_video=20,
    home=("ovis", "OVIS"),
)
