"""How ONNX Runtime is set up, alike wherever networks run or are timed, also by an agent."""

from __future__ import annotations

from typing import Any


def session_options(threads: int) -> Any:
    """Return the options of a session on so many threads; 0 are all cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for the next run by spinning would take the cores of what runs in between.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
