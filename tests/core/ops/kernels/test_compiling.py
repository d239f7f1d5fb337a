"""Every kernel goes through Triton's compiler, to machine code of GPUs that need not be here.

The interpreter runs what the compiler refuses, a variable that changes its type within a loop for one. In a process of
its own, because kernels are interpreted in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

PROGRAM = """
import json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

triton.autotune = lambda *args, **kwargs: lambda kernel: kernel  # tuning asks for a device
from importlib import import_module

results = {}
for module, name, types, constants, target in json.loads(sys.stdin.read()):
    kernel = getattr(import_module(module), name)
    arguments = dict(types)
    signature = {arg: arguments.get(arg, "constexpr") for arg in kernel.arg_names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, arg in enumerate(signature) if signature[arg].startswith("*")}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    compiled = triton.compile(source, target=GPUTarget("cuda", target, 32))
    results[f"{name} {constants} sm_{target}"] = len(compiled.asm["cubin"])
print(json.dumps(results))
"""

ATTEND = {
    "value": "*bf16",
    "levels": "*i32",
    "places": "*fp32",
    "logits": "*fp32",
    "out": "*bf16",
    "num_cells": "i32",
    "num_queries": "i32",
}
LEARN = {
    "gradient": "*bf16",
    **{name: kind for name, kind in ATTEND.items() if name != "out"},
    "to_value": "*fp32",
    "to_places": "*fp32",
    "to_logits": "*fp32",
}
REAL = {"HEADS": 8, "POINTS": 4, "SAMPLES": 12, "PADDED": 16, "D": 32, "TILE": 1024}
TABLES = {
    f"{axis}_{part}": "*i32" if part == "cells" else "*fp32"
    for axis in ("down", "across")
    for part in ("cells", "near", "far")
}
SIDES = {"h": "i32", "w": "i32", "height": "i32", "width": "i32", **TABLES}
PACK = {"logits": "*bf16", "bits": "*u8", "stride": "i32", **SIDES}
COMPETE = {"logits": "*fp32", "scores": "*fp32", "labels": "*i16", "won": "*i32", "own": "*i32", "num": "i32", **SIDES}
SEMANTIC = {
    "logits": "*bf16",
    "weights": "*fp32",
    "classes": "*i16",
    "num_queries": "i32",
    "num_classes": "i32",
    **{name: kind for name, kind in SIDES.items() if name != "height"},
}
MASKS, MAPS = "gvseg_core.ops.kernels.masks", "gvseg_core.ops.kernels.maps"
DEFORMABLE = "gvseg_core.ops.kernels.deformable"
KERNELS = [
    (DEFORMABLE, "_attend", ATTEND, REAL, 90),
    (DEFORMABLE, "_attend", {**ATTEND, "value": "*fp32", "out": "*fp32"}, REAL, 80),
    (DEFORMABLE, "_learn", LEARN, {**REAL, "LEARNS_VALUE": True}, 90),
    (DEFORMABLE, "_learn", LEARN, {**REAL, "LEARNS_VALUE": False}, 80),
    (MASKS, "_pack", PACK, {"ROWS": 32, "COLUMNS": 32}, 90),
    (MAPS, "_compete", COMPETE, {"ROWS": 16, "COLUMNS": 16}, 90),
    (MAPS, "_semantic", SEMANTIC, {"CLASSES": 128, "QUERIES": 16, "COLUMNS": 32}, 90),
]


@pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton: pip install gvseg[triton]")
def test_every_kernel_becomes_machine_code(tmp_path):
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps(KERNELS), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sizes = json.loads(done.stdout)
    assert len(sizes) == len(KERNELS)
    assert all(size > 1000 for size in sizes.values())
