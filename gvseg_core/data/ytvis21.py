"""YouTube-VIS 2021: 40 things, not the same 40 as in 2019, and in alphabetical order.

Names and numbers: the set's own `categories`; colours: those of Mask2Former-VIS, MinVIS and DVIS
(`data_video/datasets/ytvis.py`, `YTVIS_CATEGORIES_2021`), as the set publishes none.
"""

from __future__ import annotations

from gvseg_core.data.classes import parse_classes
from gvseg_core.data.video_benchmark import video_benchmark
from gvseg_core.types import Vocabulary

TABLE = """
1 thing 106,0,228 airplane
2 thing 174,57,255 bear
3 thing 255,109,65 bird
4 thing 0,0,192 boat
5 thing 0,0,142 car
6 thing 255,77,255 cat
7 thing 120,166,157 cow
8 thing 209,0,151 deer
9 thing 0,226,252 dog
10 thing 179,0,194 duck
11 thing 174,255,243 earless_seal
12 thing 110,76,0 elephant
13 thing 73,77,174 fish
14 thing 250,170,30 flying_disc
15 thing 0,125,92 fox
16 thing 107,142,35 frog
17 thing 0,82,0 giant_panda
18 thing 72,0,118 giraffe
19 thing 182,182,255 horse
20 thing 255,179,240 leopard
21 thing 119,11,32 lizard
22 thing 0,60,100 monkey
23 thing 0,0,230 motorbike
24 thing 130,114,135 mouse
25 thing 165,42,42 parrot
26 thing 220,20,60 person
27 thing 100,170,30 rabbit
28 thing 183,130,88 shark
29 thing 134,134,103 skateboard
30 thing 5,121,0 snake
31 thing 133,129,255 snowboard
32 thing 188,208,182 squirrel
33 thing 145,148,174 surfboard
34 thing 255,208,186 tennis_racket
35 thing 166,196,102 tiger
36 thing 0,80,100 train
37 thing 0,0,70 truck
38 thing 0,143,149 turtle
39 thing 0,228,0 whale
40 thing 199,100,0 zebra
"""

YTVIS21 = Vocabulary("ytvis21", parse_classes(TABLE))

BENCHMARK = video_benchmark(
    "ytvis21",
    "YouTube-VIS 2021",
    YTVIS21,
    server="send a ZIP of results.json to CodaLab competition 7680",
    short_side={"resnet": 360, "swin": 480},
    per_video=10,
    home=("ytvis_2021", "YouTube-VIS-2021"),
)
