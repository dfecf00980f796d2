"""What `vidnas search` was asked for, and what follows from it before any clip is read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vidnas.core import Modality, UserError
from vidnas.core.value import Value
from vidnas.evolution.pareto import Objective
from vidnas.workflows.page import read_record

REQUEST_FILE = "request.json"


class SearchRequest(Value):
    """What `vidnas search` was asked for; None where the default depends on the rest."""

    clips: Path
    out: Path
    limits: tuple[str, ...]
    budget_s: float | None
    evaluations: int | None
    family: str
    modalities: tuple[Modality, ...]
    strategy: Literal["evolution", "random", "local", "pareto"]
    objectives: tuple[Objective, ...] | None = None
    population: int | None
    tournament: int | None
    discard: Literal["worst", "oldest"]
    mutations: int | None
    mutation_decay: float | None
    guided: bool
    candidate_s: float | None
    candidate_epochs: float | None = None
    inherit: bool = False
    early_stop: bool = False
    train_s: float | None
    workers: int | None
    threads: int
    runtime: str
    size_px: int | None
    flip: bool
    seed: int
    deterministic: bool = False
    storage: str | None = None
    events: Path | None = None
    tensorboard: Path | None = None
    executor: Literal["local", "ray"] = "local"
    address: str | None = None
    gpus_per_candidate: float | Literal["auto"] = 0.0

    @property
    def title(self) -> str:
        """Name of the clips, also where they are given as "."."""
        return self.clips.resolve().stem

    @classmethod
    def read(cls, folder: Path) -> SearchRequest:
        """What the study in the folder was last asked for.

        Raises:
            UserError: it was not made by `vidnas search`, or the file is damaged.
        """
        request = read_record(cls, folder / REQUEST_FILE)
        if request is None:
            raise UserError(
                f"{folder} has no {REQUEST_FILE}, so its clips are unknown; run its vidnas search "
                "command again, which resumes it."
            )
        return request


class TrainRequest(Value):
    """What `vidnas train` was asked for."""

    clips: Path
    architecture: str
    out: Path = Path("model")
    genes: tuple[str, ...] = ()
    epochs: float | None = None
    train_s: float | None = None
    balanced: bool = False
    flip: bool = False
    clips_per_video: int = 3
    seed: int = 0
    threads: int | None = None
    device: str = "cpu"


class EnsembleRequest(Value):
    """What `vidnas ensemble` was asked for."""

    studies: tuple[Path, ...]
    top: int = 4
    pool: int | None = None
    train_s: float | None = None
    workers: int | None = None
    clips: Path | None = None
    out: Path | None = None
