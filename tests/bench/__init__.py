"""Benchmarks: what is as fast, as small or as true as is claimed, each a script that prints figures.

    python -m tests.bench.NAME [--json FILE] [--smoke]

| id | script | what it times | beside, in the same run |
|---|---|---|---|
| B1, B2 | `infer`, `frames` | on a CPU: the forward pass; frame → masks at 720p | `transformers` |
| B3, B4 | `infer`, `frames` | the same with `--device cuda`, any backbone and size | likewise, three ways |
| B5 | `video` | a file to RLE, PNG or video, end to end, stage by stage | `transformers`, cv2, pycocotools |
| B6 | `official` | a clip of three frames to masks at 720p | detectron2's Mask2Former-VIS, if there |
| B7 | `msda` | deformable attention, forward and backward | `grid_sample`, `deformops` if there |
| B8 | `post` | mask logits to masks, maps and RLE at 720p | the official chain of resizes |
| B9 | `memory` | memory of `gvseg predict` over a long video, its slope, its rate | nothing |
| B10 | `objects` | a frame with 1 to 100 objects | itself with one |
| B11 | `match` | remembered objects found again among a clip's queries | MinVIS's rule |
| B12 | `startup` | `gvseg --help` as a process | an empty Typer app |
| B13 | `train`, `losses` | one training step; matching and losses alone | `transformers` |
| B14 | `ddp` | training steps of two processes | one process |
| B15 | `eval` | scoring files, whole processes | official programs, if there |
| B16 | `long` | clips that overlap, by their stride | features made again |
| B17 | `quality` | nothing: the metrics of a model on all sets that are at hand | nothing |

`agreement` says how far bf16 masks are from float32 ones on weights that decide clearly, `association` what tells
objects apart on true masks and `identity` with trained weights, `ablation` what each of GvSEG's ideas adds to a small
network trained without and with it, `compiled` what `--compile` brings, `export` how fast exported graphs are. What
they have in common, and how they behave, is in `machine`;
`tests/test_benchmarks.py` runs each in its smoke mode, so that they keep working.
"""
