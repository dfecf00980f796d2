"""What one server takes on: of a request, and of all of them."""

from __future__ import annotations

from pydantic import PositiveFloat, PositiveInt

from vidnas.core.value import Value


class ServingLimits(Value):
    """What is refused before it costs more than it may."""

    max_upload_bytes: PositiveInt = 100_000_000
    """The largest request."""
    max_duration_s: PositiveFloat = 60.0
    """The longest video."""
    timeout_s: PositiveFloat = 30.0
    """The longest that a video may take to arrive, and then to decode."""
    concurrency: PositiveInt = 8
    """Requests that are received, decoded or scored at the same time; more are told to come back.
    """
    workers: PositiveInt = 1
    """Processes that decode, one video each."""
