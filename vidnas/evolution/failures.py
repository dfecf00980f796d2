"""Why a candidate failed, in one short sentence."""

from __future__ import annotations

from vidnas.core.workers import WorkerLost

_LONGEST = 300
# How libraries say that memory ran out: torch on CPU and CUDA, the C++ library, ONNX Runtime.
_MEMORY_PHRASES = ("can't allocate memory", "out of memory", "bad_alloc", "bad allocation")


def failure_reason(error: BaseException) -> str:
    """What is recorded of an exception that ended an evaluation."""
    if isinstance(error, MemoryError) or any(p in str(error).lower() for p in _MEMORY_PHRASES):
        return "out of memory"
    if isinstance(error, WorkerLost):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST]
