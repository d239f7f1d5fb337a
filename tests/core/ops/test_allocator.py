"""The allocator takes the settings where it is glibc's, and nothing happens elsewhere."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest


@pytest.mark.parametrize("setting", ["keep_freed_memory", "share_one_heap"])
def test_glibc_takes_it(setting: str) -> None:
    """In a process of its own: the setting is for good."""
    code = f"from gvseg_core.ops.allocator import {setting} as ask; print(ask())"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert answer == str(platform.libc_ver()[0] == "glibc")


def test_threads_share_one_heap() -> None:
    """Thirty threads that allocate small things leave no heap behind but the first (glibc lists them as "Arena n")."""
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("only glibc has arenas")
    code = """
import ctypes, threading
from gvseg_core.ops.allocator import share_one_heap
if {share}: share_one_heap()
hold = threading.Barrier(30)
def work():
    ctypes.CDLL(None).malloc(1000); hold.wait()
threads = [threading.Thread(target=work) for _ in range(30)]
[t.start() for t in threads]; [t.join() for t in threads]
ctypes.CDLL(None).malloc_stats()
"""
    heaps = {}
    for share in (True, False):
        command = [sys.executable, "-c", code.replace("{share}", str(share))]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        heaps[share] = said.count("Arena ")
    assert heaps[True] == 1 < heaps[False]
