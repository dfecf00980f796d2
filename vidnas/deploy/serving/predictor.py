"""Decoders in child processes and one network beside them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from typing_extensions import Self

from vidnas.core import UserError, WorkerLost
from vidnas.core.text import escaped
from vidnas.core.workers import WorkerPool
from vidnas.data.flow import estimator
from vidnas.data.reading import VideoError, reject_objects
from vidnas.data.reading.bounds import WORKER_BYTES
from vidnas.deploy.model import Model
from vidnas.deploy.prediction import Scores, predict_clips
from vidnas.deploy.serving.decoding import Pixels, get_ready, read_pixels, to_clips
from vidnas.deploy.serving.limits import ServingLimits

_HANGS_S = 2.0
"""How much later a decoder is killed that does not end by itself when its time is up."""


class Unusable(Exception):
    """A video that cannot be scored; the message says why and names no file of this machine."""


@dataclass(frozen=True)
class Answer:
    """The scores of one video, and what they took."""

    scores: Scores
    decoding_s: float
    """With the wait for a free process."""
    network_s: float
    """With the wait for the network."""


class Predictor:
    """Scores videos, several at a time; use it in a `with` block.

    The file is read in a child process with bounds of time and memory, so that a decoder that
    crashes or hangs costs one request. The network is the operator's own, and stays here: one copy
    of its weights, and one clip after the other on all cores.

    Raises:
        UserError: the network takes what cannot be computed from a video here.
    """

    def __init__(self, model: Model, limits: ServingLimits) -> None:
        self._model, self._contract, self._limits = model, model.contract, limits
        reject_objects(spec.modality for spec in self._contract.inputs)
        if self._contract.flow_method is not None:
            estimator(self._contract.flow_method)

    def __enter__(self) -> Self:
        self._decoders = WorkerPool(
            self._limits.workers,
            timeout_s=self._limits.timeout_s + _HANGS_S,
            memory_bytes=WORKER_BYTES,
        )
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")
        return self

    def __exit__(self, *_: object) -> None:
        self._decoders.shutdown()
        self._network.shutdown(cancel_futures=True)

    async def start(self) -> None:
        """Start all decoders, so that no request waits for that."""
        calls = (self._decoders.submit(get_ready) for _ in range(self._limits.workers))
        await asyncio.gather(*map(asyncio.wrap_future, calls))

    async def predict(self, video: Path) -> Answer:
        """Score a video in a file.

        Raises:
            Unusable: it cannot be decoded within the limits.
            NotFinite: the network predicts numbers that are not finite.
        """
        began = time.perf_counter()
        pixels = await self._decode(video)
        decoded = time.perf_counter()
        scores = await asyncio.get_running_loop().run_in_executor(
            self._network, lambda: predict_clips(self._model, to_clips(pixels))
        )
        return Answer(scores, decoded - began, time.perf_counter() - decoded)

    async def _decode(self, video: Path) -> Pixels:
        future = self._decoders.submit(
            partial(
                read_pixels,
                max_duration_s=self._limits.max_duration_s,
                timeout_s=self._limits.timeout_s,
            ),
            video,
            self._contract,
        )
        try:
            # Shielded: a call whose future was cancelled would end the thread of its process.
            return await asyncio.shield(asyncio.wrap_future(future))
        except VideoError as error:
            raise Unusable(escaped(error.reason)) from error
        except WorkerLost as error:
            raise Unusable(f"it broke the decoder: {error}") from error
        except UserError as error:
            raise Unusable(escaped(str(error))) from error
