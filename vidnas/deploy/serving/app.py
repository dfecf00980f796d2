"""The application: what each path answers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, Response

from vidnas.core import NotFinite
from vidnas.core.version import VERSION
from vidnas.deploy.model import Model
from vidnas.deploy.serving.answers import ClassScore, Health, Prediction, Refusal, ServedModel
from vidnas.deploy.serving.hosts import KnownHosts
from vidnas.deploy.serving.limits import ServingLimits
from vidnas.deploy.serving.metrics import CountRequests, Metrics
from vidnas.deploy.serving.predictor import Answer, Predictor, Unusable
from vidnas.deploy.serving.upload import FIELD, received_video

_PAGE = Path(__file__).with_name("page.html")
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; media-src blob:; img-src data:; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere, and cannot be made to."""
_FORM: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "format": "binary"}},
            }
        }
    },
}
_STRANGER = "The host has a name that does not belong here"
_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Refusal, "description": meaning}
    for code, meaning in {
        400: f"The form is malformed, or the connection ended. {_STRANGER}",
        408: "The video took too long to arrive",
        413: "The request is too large",
        415: "The request is no form",
        422: "The form has no video, or one that cannot be used",
        500: "The network predicts numbers that are not finite",
        503: "Too many requests are in progress, or there is no room for the video",
    }.items()
}


class _Turns:
    """Admits so many predictions at a time."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._left, self._metrics = most, metrics

    @contextmanager
    def one(self) -> Iterator[None]:
        """Take a turn.

        Raises:
            HTTPException: there is none left.
        """
        if not self._left:
            raise HTTPException(
                503,
                "Too many requests are in progress; send this one again in a moment.",
                {"Retry-After": "1"},
            )
        self._left -= 1
        try:
            with self._metrics.in_progress.track_inprogress():
                yield
        finally:
            self._left += 1


def create_app(
    model: Model, limits: ServingLimits, hosts: tuple[str, ...] | None = None
) -> FastAPI:
    """Return the application that serves a model.

    Args:
        model: what scores the videos.
        limits: what is refused.
        hosts: the names under which it may be asked for, None for any; another site that had its
            own name lead here is refused.

    Raises:
        UserError: the network takes what cannot be computed from a video here.
    """
    metrics, predictor = Metrics(), Predictor(model, limits)
    turns, names = _Turns(limits.concurrency, metrics), _names(model)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with predictor:
            await predictor.start()
            yield

    # The documentation pages that FastAPI has load scripts from elsewhere.
    app = FastAPI(
        title="vidnas",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses={400: {"model": Refusal, "description": _STRANGER}},
    )

    @app.get("/", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(
            _PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _POLICY}
        )

    @app.get("/health")
    async def health() -> Health:
        """Tell that the server answers."""
        return Health()

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return metrics.response()

    @app.get("/model")
    async def served() -> ServedModel:
        """Tell what is served, and within which limits."""
        return ServedModel(
            classes=tuple(names.values()),
            multi_label=model.card.multi_label,
            inputs=model.architecture.inputs,
            max_upload_bytes=limits.max_upload_bytes,
            max_duration_s=limits.max_duration_s,
            vidnas=VERSION,
        )

    @app.post("/predict", responses=_REFUSALS, openapi_extra={"requestBody": _FORM})
    async def predict(request: Request) -> Prediction:
        """Score the classes for a video, sent as a form with one file in the field `video`."""
        with turns.one():
            began = time.perf_counter()
            async with received_video(request, limits) as video:
                receiving_s = time.perf_counter() - began
                metrics.received_bytes.inc(video.stat().st_size)
                answer = await _predicted(predictor, video)
        metrics.observe(receiving=receiving_s, decoding=answer.decoding_s, network=answer.network_s)
        return Prediction(
            scores=tuple(
                ClassScore(name=names[name], score=score) for name, score in answer.scores
            ),
            decoding_ms=1e3 * answer.decoding_s,
            network_ms=1e3 * answer.network_s,
        )

    paths = frozenset(getattr(route, "path", "") for route in app.routes)
    if hosts is not None:
        app.add_middleware(KnownHosts, names=hosts)
    app.add_middleware(CountRequests, metrics=metrics, paths=paths)
    return app


async def _predicted(predictor: Predictor, video: Path) -> Answer:
    try:
        return await predictor.predict(video)
    except Unusable as error:
        raise HTTPException(422, f"The video cannot be used: {error}; send another one.") from error
    except NotFinite as error:
        raise HTTPException(500, str(error)) from error


def _names(model: Model) -> dict[str, str]:
    """Return the names of the classes as JSON can hold them."""
    return {name: name.encode("utf-8", "backslashreplace").decode() for name in model.classes}
