"""What jobs are asked for: each option of a search, training run or ensemble, declared once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import Field, PositiveFloat, PositiveInt

from vidnas.core import UserError
from vidnas.core.process import available_cores
from vidnas.core.value import Value
from vidnas.data.sampling import Augmentation
from vidnas.evolution.config import StudyConfig
from vidnas.evolution.halving import RUNGS
from vidnas.evolution.local_search import LocalSearch
from vidnas.evolution.pareto import OBJECTIVES, ParetoEvolution
from vidnas.evolution.strategies import RandomSearch, Strategy, TournamentEvolution
from vidnas.families import EvolutionDefaults, Family, Space, families
from vidnas.training import TrainingSettings
from vidnas.workflows.options import (
    EVOLUTION,
    LIMITS,
    MACHINES,
    OUTPUT,
    SUBJECT,
    TRAINING,
    ArchitectureName,
    Clips,
    ClipsPerVideo,
    Device,
    Flip,
    GpuShare,
    Input,
    LatencyThreads,
    Limits,
    Request,
    Runtime,
    Seconds,
    Seed,
    Size,
    Storage,
    StrategyName,
    Workers,
)
from vidnas.workflows.page import read_record

REQUEST_FILE = "request.json"
CLIPS_PER_VIDEO = 3
SEARCH_SHARE, TRAINING_SHARE = 0.65, 0.3
"""Of the whole budget; what is left goes to start-up, testing, export and the report."""
_CANDIDATES = 60
"""Evaluations that the default time for a candidate leaves room for."""
_CANDIDATE_S = (6.0, 60.0)
_DEFAULT_CANDIDATE_S = 20.0
_FULL_TO_BRIEF = 13  # docs/fidelity.md


class SearchRequest(Request):
    """What `vidnas search` is asked for; None where the default depends on the rest."""

    clips: Annotated[Clips, SUBJECT]
    family: Annotated[str, SUBJECT] = "tinyvideonet"
    """Family of architectures; a wrong name shows all."""
    input: Annotated[Input, SUBJECT] = ("rgb",)
    """Frames, the optical flow between them, or both for networks with several streams."""
    size_px: Annotated[Size, SUBJECT] = None

    limits: Annotated[Limits, LIMITS] = ()
    budget_s: Annotated[Seconds | None, LIMITS] = None
    """Time for everything: search, final training, testing and export."""
    evaluations: Annotated[PositiveInt | None, LIMITS] = None
    """Number of candidates to train; as many as the budget allows by default."""
    runtime: Annotated[Runtime, LIMITS] = "onnxruntime"
    latency_threads: Annotated[LatencyThreads, LIMITS] = 1

    strategy: Annotated[StrategyName, EVOLUTION] = "evolution"
    """evolution towards accuracy; pareto towards all trade-offs between the objectives; local: one
    climb after another; random. The final training is always for the most accurate within the
    limits."""
    objectives: Annotated[
        tuple[Literal["accuracy", "latency", "macs", "parameters"], ...], EVOLUTION
    ] = ()
    """What --strategy pareto trades off, two or three; accuracy and latency by default."""
    population: Annotated[PositiveInt | None, EVOLUTION] = None
    """Number of architectures that may be parents; set by the family by default."""
    tournament: Annotated[PositiveInt | None, EVOLUTION] = None
    """How many compete to be the next parent; set by the family by default."""
    discard: Annotated[Literal["worst", "oldest"], EVOLUTION] = "worst"
    """Which member leaves a full population."""
    mutations: Annotated[PositiveInt | None, EVOLUTION] = None
    """Number of mutations of the first child; set by the family by default."""
    mutation_decay: Annotated[PositiveFloat | None, EVOLUTION] = None
    """Number of children after which the mutation count drops by one; set by the family by
    default."""
    guided: Annotated[bool, EVOLUTION] = True
    """Let mutations see what the parent's training learned, such as connection weights."""
    seed: Annotated[Seed, EVOLUTION] = 0
    deterministic: Annotated[bool, EVOLUTION] = False
    """Give the same history for the same seed with any number of workers (up to 8 are used),
    killed or not; needs --candidate-epochs and limits other than latency."""

    candidate_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time of the brief training run of each candidate; derived from the budget by default."""
    candidate_epochs: Annotated[PositiveFloat | None, TRAINING] = None
    """Length of the brief training run in epochs, however fast the machine is; with
    --candidate-time, whichever is reached first ends it."""
    inherit: Annotated[bool, TRAINING] = False
    """Start children from their parent's weights."""
    early_stop: Annotated[bool, TRAINING] = False
    """Stop candidates that are not among the best third after 1/9 and 1/3 of their training run
    (successive halving)."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time of the full training run of the best; derived from the budget by default."""
    flip: Annotated[Flip, TRAINING] = False

    workers: Annotated[Workers, MACHINES] = None
    executor: Annotated[Literal["local", "ray"], MACHINES] = "local"
    """Where candidates run: local processes, or the nodes of a Ray cluster."""
    address: Annotated[str | None, MACHINES] = None
    """Head of the Ray cluster as host:port, auto for the cluster that this machine is in, or local
    for a new one; auto, or else local, by default."""
    gpus_per_candidate: Annotated[GpuShare, MACHINES] = 0.0
    """Share of a GPU to train a candidate on: 0.25 trains four at a time, auto as many as its
    memory has room for, 0 trains on cores."""

    out: Annotated[Path, OUTPUT] = Path("study")
    """Folder of the study; one that exists is resumed."""
    storage: Annotated[Storage, OUTPUT] = None
    events: Annotated[Path | None, OUTPUT] = None
    """File to which a line of JSON is appended for every event; none by default."""
    tensorboard: Annotated[Path | None, OUTPUT] = None
    """Folder for the scalars that TensorBoard shows; none by default."""

    @property
    def title(self) -> str:
        """Name of the clips, also where they are given as "."."""
        return self.clips.resolve().stem

    @property
    def search_s(self) -> float | None:
        """The part of the budget that the search may take; the rest is for what follows."""
        return SEARCH_SHARE * self.budget_s if self.budget_s else None

    @classmethod
    def read(cls, folder: Path) -> SearchRequest:
        """Return what the study in the folder was last asked for.

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


class TrainRequest(Request):
    """What `vidnas train` is asked for."""

    clips: Annotated[Clips, SUBJECT]
    architecture: Annotated[ArchitectureName, SUBJECT]
    genes: Annotated[tuple[str, ...], SUBJECT, Parameter(metavar="NAME=VALUE")] = ()
    """Gene of the architecture to change, such as frames=8; repeatable."""

    epochs: Annotated[PositiveFloat | None, TRAINING] = None
    """Number of passes over the clips; 60 by default, unless --train-time is given."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time of the full training run; with --epochs, whichever is reached first ends it."""
    balanced: Annotated[bool, TRAINING] = False
    """Let rare classes count as much as frequent ones."""
    flip: Annotated[Flip, TRAINING] = False
    seed: Annotated[Seed, TRAINING] = 0
    clips_per_video: Annotated[ClipsPerVideo, TRAINING] = CLIPS_PER_VIDEO

    threads: Annotated[PositiveInt | None, MACHINES] = None
    """Threads to train on; one per core by default."""
    device: Annotated[Device, MACHINES] = "cpu"

    out: Annotated[Path, OUTPUT] = Path("model")
    """Folder of the model; a training run that was stopped there is resumed."""


class EnsembleRequest(Request):
    """What `vidnas ensemble` is asked for."""

    studies: Annotated[tuple[Path, ...], SUBJECT, Parameter(metavar="STUDY")]
    """Finished studies of the same clips, RGB or flow."""
    clips: Annotated[Path | None, SUBJECT] = None
    """The clips of the studies, if they have moved."""
    votes: Annotated[PositiveInt, SUBJECT] = 4
    """Number of votes; a network may have several."""
    pool: Annotated[int | None, Field(ge=2), SUBJECT] = None
    """Number of networks to train in full and choose from; twice the votes by default."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time of the full training run of each; that of the study's finalists by default."""
    workers: Annotated[Workers, MACHINES] = None
    out: Annotated[Path | None, OUTPUT] = None
    """Folder of the model; the folder ensemble in the first study by default."""


class Plan(Value):
    """Times that follow from the request."""

    search_s: float | None
    candidate_s: float
    train_s: float
    evaluations: int
    """As many as were asked for, or as the time allows."""

    @classmethod
    def of(cls, request: SearchRequest, workers: int) -> Plan:
        """The times for a request.

        Raises:
            UserError: it has no end.
        """
        budget_s = request.budget_s
        if budget_s is None and request.evaluations is None:
            raise UserError("The search has no end; give --budget 30m, --evaluations 100, or both.")
        search_s = request.search_s
        candidate_s = request.candidate_time_s or _DEFAULT_CANDIDATE_S
        if request.candidate_time_s is None and search_s:
            low, high = _CANDIDATE_S
            candidate_s = min(max(search_s * workers / _CANDIDATES, low), high)
        train_s = request.train_time_s or (
            TRAINING_SHARE * budget_s if budget_s else _FULL_TO_BRIEF * candidate_s
        )
        in_time = search_s * workers / candidate_s if search_s else math.inf
        evaluations = int(min(request.evaluations or math.inf, in_time))
        return cls(
            search_s=search_s, candidate_s=candidate_s, train_s=train_s, evaluations=evaluations
        )


def describe_strategy(request: SearchRequest) -> dict[str, Any]:
    """The strategy of a search for this request, as the config of its study has it."""
    plan = Plan.of(request, request.workers or available_cores())
    return make_strategy(request, plan).describe()


def make_strategy(request: SearchRequest, plan: Plan) -> Strategy:
    """The strategy that was asked for, with what else the request, the study or the family says.

    Raises:
        UserError: its settings do not go together.
    """
    if request.objectives and request.strategy != "pareto":
        raise UserError(
            f"The strategy {request.strategy} knows no objectives; add --strategy pareto, or leave "
            "--objective out."
        )
    if request.strategy == "random":
        return RandomSearch()
    if request.strategy == "local":
        return LocalSearch(guided=request.guided)
    names = set(EvolutionDefaults.model_fields)
    settings = _evolution(request, plan).model_dump()
    settings |= request.model_dump(include=names, exclude_none=True)
    if request.tournament is None:
        settings["tournament"] = min(settings["tournament"], settings["population"])
    settings["guided"] = request.guided
    if request.strategy == "pareto":
        return ParetoEvolution(**settings, objectives=request.objectives or OBJECTIVES)
    return TournamentEvolution(**settings, discard=request.discard)


def _evolution(request: SearchRequest, plan: Plan) -> EvolutionDefaults:
    """What holds where nothing is asked for: the settings of the study there, or the family's.

    Half of the evaluations at least are left to children, and a tournament stays the same share of
    a population that is smaller for it.
    """
    config = request.out / "config.yaml"
    if config.is_file():
        there = StudyConfig.read(config).strategy
        names = EvolutionDefaults.model_fields.keys() & there.keys()
        return EvolutionDefaults(**{name: there[name] for name in names})
    defaults = _family(request.family).evolution
    population = max(min(defaults.population, plan.evaluations // 2), 1)
    tournament = max(defaults.tournament * population // defaults.population, 1)
    return defaults.model_copy(update={"population": population, "tournament": tournament})


def _family(name: str) -> Family:
    searched = {key: family for key, family in families().items() if family.space is not None}
    if name not in searched:
        raise UserError(
            f"There is no family {name!r} that can be searched; choose one of "
            f"{', '.join(searched)}."
        )
    return searched[name]


def make_space(request: SearchRequest, **extent: int) -> Space:
    """The family's space for such clips.

    Raises:
        UserError: the family is unknown, is not searched, or does not take the modalities.
    """
    make = _family(request.family).space
    if make is None:  # excluded above; the type checker cannot know
        raise UserError(f"The family {request.family!r} has no space.")
    return make(**extent, modalities=request.input)


def brief_settings(request: SearchRequest, plan: Plan) -> TrainingSettings:
    """How candidates are trained; a study that is there keeps how it was started, unless told.

    Raises:
        UserError: the search is to be deterministic, and candidates would be trained by time.
    """
    epochs, budget_s = request.candidate_epochs, request.candidate_time_s
    config = request.out / "config.yaml"
    if epochs is None and budget_s is None:
        there = StudyConfig.read(config).training if config.is_file() else {}
        epochs, budget_s = there.get("epochs"), there.get("budget_s", plan.candidate_s)
    if request.deterministic and budget_s is not None:
        raise UserError(
            "A deterministic search cannot train candidates by time, which never passes twice "
            "alike; say --candidate-epochs 5 and no --candidate-time."
        )
    return TrainingSettings(
        epochs=epochs,
        budget_s=budget_s,
        augmentation=Augmentation(flip=request.flip),
        rungs=RUNGS if request.early_stop else (),
    )
