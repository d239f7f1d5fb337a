"""YouTube-VIS 2019: 40 things.

Names and numbers: the set's own `categories`; colours: those of Mask2Former-VIS, MinVIS and DVIS
(`data_video/datasets/ytvis.py`, `YTVIS_CATEGORIES_2019`), as the set publishes none.
"""

from __future__ import annotations

from gvseg_core.data.classes import parse_classes
from gvseg_core.data.video_benchmark import video_benchmark
from gvseg_core.types import Vocabulary

TABLE = """
1 thing 220,20,60 person
2 thing 0,82,0 giant_panda
3 thing 119,11,32 lizard
4 thing 165,42,42 parrot
5 thing 134,134,103 skateboard
6 thing 0,0,142 sedan
7 thing 255,109,65 ape
8 thing 0,226,252 dog
9 thing 5,121,0 snake
10 thing 0,60,100 monkey
11 thing 250,170,30 hand
12 thing 100,170,30 rabbit
13 thing 179,0,194 duck
14 thing 255,77,255 cat
15 thing 120,166,157 cow
16 thing 73,77,174 fish
17 thing 0,80,100 train
18 thing 182,182,255 horse
19 thing 0,143,149 turtle
20 thing 174,57,255 bear
21 thing 0,0,230 motorbike
22 thing 72,0,118 giraffe
23 thing 255,179,240 leopard
24 thing 0,125,92 fox
25 thing 209,0,151 deer
26 thing 188,208,182 owl
27 thing 145,148,174 surfboard
28 thing 106,0,228 airplane
29 thing 0,0,70 truck
30 thing 199,100,0 zebra
31 thing 166,196,102 tiger
32 thing 110,76,0 elephant
33 thing 133,129,255 snowboard
34 thing 0,0,192 boat
35 thing 183,130,88 shark
36 thing 130,114,135 mouse
37 thing 107,142,35 frog
38 thing 0,228,0 eagle
39 thing 174,255,243 earless_seal
40 thing 255,208,186 tennis_racket
"""

YTVIS19 = Vocabulary("ytvis19", parse_classes(TABLE))

BENCHMARK = video_benchmark(
    "ytvis19",
    "YouTube-VIS 2019",
    YTVIS19,
    server="CodaLab competition 7682 scored a ZIP of results.json, and is closed",
    short_side={"resnet": 360, "swin": 480},
    per_video=10,
    home=("ytvis_2019", "YouTube-VIS-2019"),
)
