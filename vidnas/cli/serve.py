"""`vidnas serve`: a model that answers over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

from pydantic import Field, PositiveInt

from vidnas.cli.console import Json, say, show, show_json
from vidnas.core import UserError
from vidnas.core.durations import format_duration
from vidnas.core.process import available_cores
from vidnas.core.quantities import format_bytes
from vidnas.workflows.options import Bytes, Model, Request, Seconds, Workers


class ServeRequest(Request):
    """What `vidnas serve` is asked for."""

    model: Model
    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine reaches it."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port to listen on; 0 for one that is free."""
    max_upload_bytes: Bytes = 100_000_000
    """The largest request; larger ones are refused."""
    max_duration_s: Seconds = 60.0
    """The longest video; longer ones are refused."""
    timeout_s: Seconds = 30.0
    """The longest that a video may take to arrive, and then to decode."""
    concurrency: PositiveInt = 8
    """Requests in progress at the same time; more are told to come back."""
    workers: Workers = None


def command(request: ServeRequest, *, json: Json = False) -> None:
    """Answer over HTTP what a model sees in videos, until Ctrl-C.

    There is a page to drop videos on, POST /predict for programs, /openapi.json, /health
    and /metrics. Only this machine reaches it unless --host says otherwise; there is no
    password.

    For example:

        vidnas serve study --port 8080
        curl -F video=@clip.mp4 http://127.0.0.1:8080/predict
    """
    from vidnas.deploy import load_model
    from vidnas.deploy.serving.limits import ServingLimits

    try:
        from vidnas.deploy.serving.server import is_loopback, serve
    except ImportError as error:
        raise UserError(
            f"Serving needs {error.name}, which is not installed; run pip install 'vidnas[serve]'."
        ) from error

    # A decoder works for one of the requests in progress: more of them would never be called.
    workers = min(request.workers or available_cores(), request.concurrency)
    limits = ServingLimits(
        **request.model_dump(include={*ServingLimits.model_fields} - {"workers"}), workers=workers
    )
    model = load_model(request.model)
    say(
        f"Serving {request.model}: videos up to {format_bytes(limits.max_upload_bytes)} and "
        f"{format_duration(limits.max_duration_s)}, {limits.concurrency} requests at a time, "
        f"{workers} decoding processes. Ctrl-C ends it."
    )
    if not is_loopback(request.host):
        say(
            ("Note: ", "yellow"),
            f"whoever reaches {request.host} may send videos; there is no password.",
        )

    def ready(url: str) -> None:
        if json:
            show_json({"url": url, **limits.model_dump()})
        else:
            show(url)
        sys.stdout.flush()  # a pipe would keep it until the end

    serve(model, limits, host=request.host, port=request.port, on_ready=ready)
