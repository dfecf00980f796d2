"""What a user of the server does, for locust: sends a clip, reads the scores, sends the next."""

from __future__ import annotations

import os
from pathlib import Path

CLIP = "VIDNAS_BENCHMARK_CLIP"
"""The environment variable that names the clip."""

if CLIP in os.environ:  # importing locust changes Python's sockets: only where it runs
    from locust import HttpUser, task

    class Viewer(HttpUser):
        """Sends one clip after the other, without a pause."""

        def on_start(self) -> None:
            """Read the clip."""
            self.clip = Path(os.environ[CLIP]).read_bytes()

        @task
        def predict(self) -> None:
            """Ask for scores; what is busy or wrong counts as a failure."""
            self.client.post("/predict", files={"video": ("clip.mp4", self.clip)})
