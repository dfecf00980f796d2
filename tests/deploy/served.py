"""A model served within a test, through real connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import torch

from vidnas.deploy import Model, ModelCard
from vidnas.families import architecture_from_json, create_network

ROOT = Path(__file__).resolve().parents[2]
for needed in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
    pytest.importorskip(needed)
httpx = pytest.importorskip("httpx")
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT)
    from benchmarks.hostile import TINY

from vidnas.deploy.serving.app import create_app  # noqa: E402
from vidnas.deploy.serving.limits import ServingLimits  # noqa: E402
from vidnas.deploy.serving.server import Server, known_names, listen, url_of  # noqa: E402

LIMITS = ServingLimits(max_upload_bytes=300_000, max_duration_s=5, timeout_s=2, concurrency=4)


def tiny_model(*classes: str) -> Model:
    torch.manual_seed(0)
    names = classes or ("left", "right", "up")
    return Model(
        create_network(architecture_from_json(TINY), len(names)).eval(), names, ModelCard()
    )


@contextmanager
def serving(
    model: Model, limits: ServingLimits = LIMITS, host: str = "127.0.0.1"
) -> Iterator[httpx.Client]:
    """Serve a model in this process, to a client of it."""
    ready = threading.Event()
    with closing(listen(host, 0)) as listening:
        server = Server(create_app(model, limits, known_names(host, listening)), ready.set)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert ready.wait(60), "the server does not start"
            with httpx.Client(base_url=url_of(listening), timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
