"""Whose fault an exception is: the machine's, or that of what was worked on."""

from __future__ import annotations

import errno
import os
import signal

from vidnas.core.errors import WorkerLost

# How libraries say that memory ran out: torch on CPU and CUDA, the C++ library, ONNX Runtime.
_MEMORY_PHRASES = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation")
# What a machine fails with, and no network causes: full, broken or read-only disks, too many files.
_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE)


def machine_fault(error: BaseException) -> str:
    """Return what is wrong with the machine, if an exception says so."""
    if isinstance(error, WorkerLost):
        by_disk = str(error).endswith(f"signal {signal.SIGBUS.value}")
        return "a file in use was cut off or cannot be read: signal SIGBUS" if by_disk else ""
    if isinstance(error, OSError) and error.errno in _MACHINE:
        return str(error)
    text = str(error)  # libraries in C++ pass on the words only
    return text if any(os.strerror(code) in text for code in _MACHINE) else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, which may be the fault of either."""
    return isinstance(error, MemoryError) or any(
        phrase in str(error).lower() for phrase in _MEMORY_PHRASES
    )
