"""The allocator takes the setting where it is glibc's, and nothing happens elsewhere."""

from __future__ import annotations

import platform
import subprocess
import sys


def test_glibc_takes_it():
    """In a process of its own: the setting is for good."""
    code = "from gvseg_core.ops.allocator import keep_freed_memory as keep; print(keep())"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    assert answer == str(platform.libc_ver()[0] == "glibc")
