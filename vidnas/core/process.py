"""Settings that a process must make before it imports torch."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from pathlib import Path

import psutil

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Time on all cores in a period, and the period, in microseconds: `docker run --cpus 2`."""
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def thread_settings(threads: int) -> dict[str, str]:
    """Return what must be in the environment of a process when it imports torch."""
    asked = {"OMP_WAIT_POLICY": "passive", "THP_MEM_ALLOC_ENABLE": "1"}
    chosen = {name: os.environ.get(name, value) for name, value in asked.items()}
    return {"OMP_NUM_THREADS": str(threads), **chosen}


def prepare_process(threads: int) -> None:
    """Fix the number of threads and keep freed memory in the process.

    glibc returns large tensors to the kernel at every free, and their pages must be mapped again at
    the next step (`benchmarks/training_step.py`); passive waiting keeps idle OpenMP threads from
    taking the core of another worker.
    """
    os.environ.update(thread_settings(threads))
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        libc.mallopt(_M_TOP_PAD, 256 << 20)


_WATCHED_S = 0.5
_IDLE_PERCENT = 20.0


def idle_cores() -> int:
    """Return the cores that this process may take now: all of them if they are idle, else one.

    Beside one other busy process, two threads often train more slowly than one alone.
    """
    busy = psutil.cpu_percent(interval=_WATCHED_S) > _IDLE_PERCENT
    return 1 if busy else available_cores()


def available_cores() -> int:
    """Return the number of cores that this process may use at a time; a container's quota
    counts."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota, period = _QUOTA.read_text().split() if _QUOTA.exists() else ("max", "1")
    return cores if quota == "max" else min(cores, math.ceil(int(quota) / int(period)))
