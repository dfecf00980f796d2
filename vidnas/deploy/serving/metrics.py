"""What Prometheus is told: requests, their times, and how many are in progress."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter(
            "vidnas_requests",
            "Requests that were answered.",
            ["path", "status"],
            registry=self._registry,
        )
        self.in_progress = Gauge(
            "vidnas_predictions_in_progress",
            "Videos that are received, decoded or scored now.",
            registry=self._registry,
        )
        self.seconds = Histogram(
            "vidnas_prediction_seconds",
            "Time of the stages of a prediction, with what each waits for.",
            ["stage"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.received_bytes = Counter(
            "vidnas_received_bytes", "Videos that were received.", registry=self._registry
        )

    def observe(self, **stages_s: float) -> None:
        """Take the seconds of the stages of a prediction."""
        for stage, seconds in stages_s.items():
            self.seconds.labels(stage).observe(seconds)

    def response(self) -> Response:
        """Return them in Prometheus's text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


class CountRequests:
    """Counts the requests of an application by path and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app, self._metrics, self._paths = app, metrics, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, and count it when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What strangers ask for does not become a time series each.
        path = scope["path"] if scope["path"] in self._paths else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.requests.labels(path, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, counted)
