"""What jobs are asked for: each option of a search, training run or ensemble, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from pydantic import Field, PositiveFloat, PositiveInt

from vidnas.core import UserError
from vidnas.core.clip import CLIPS_PER_VIDEO
from vidnas.workflows.options import (
    EVOLUTION,
    LIMITS,
    MACHINES,
    MEMBERS,
    OUTPUT,
    SUBJECT,
    TRAINED,
    TRAINING,
    ArchitectureName,
    CacheSize,
    ClassWeights,
    Clips,
    ClipsPerVideo,
    Device,
    Flip,
    Format,
    GpuShare,
    Input,
    LatencyThreads,
    Limits,
    RecordedRequest,
    Request,
    Runtime,
    Seconds,
    Seed,
    Size,
    Storage,
    Target,
    VideoFolder,
    Workers,
)
from vidnas.workflows.records import read_record

REQUEST_FILE = "request.json"
StrategyName = Literal["evolution", "random", "local", "pareto", "top-k"]
"""All strategies, by name: importing them to ask would load torch for every `--help`."""


class SearchRequest(RecordedRequest):
    """What `vidnas search` is asked for; None where the default depends on the rest."""

    clips: Annotated[Clips, SUBJECT]
    format: Annotated[Format, SUBJECT] = None
    video_folder: Annotated[VideoFolder, SUBJECT] = None
    family: Annotated[str, SUBJECT] = "tinyvideonet"
    """Family of architectures; an unknown name lists them all."""
    input: Annotated[Input, SUBJECT] = ("rgb",)
    """Frames, the optical flow between them, or both for networks with several streams."""
    size_px: Annotated[Size, SUBJECT] = None

    limits: Annotated[Limits, LIMITS] = ()
    budget_s: Annotated[Seconds | None, LIMITS] = None
    """Time for everything: search, finishing the best, testing and export."""
    evaluations: Annotated[PositiveInt | None, LIMITS] = None
    """Number of candidates to train on the first rung or higher; as many as the budget allows by
    default."""
    runtime: Annotated[Runtime, LIMITS] = "onnxruntime"
    latency_threads: Annotated[LatencyThreads, LIMITS] = 1
    target: Annotated[Target, LIMITS] = None

    strategy: Annotated[StrategyName, EVOLUTION] = "evolution"
    """Strategy of the proposals: evolution towards accuracy, pareto towards all trade-offs between
    the objectives, local for one climb after another, random, or top-k for random ones that all
    stay on the lowest rung. The most accurate within the limits are always the ones to be
    finished."""
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
    random_start: Annotated[bool, EVOLUTION] = False
    """Start from random networks, without the designs of the family."""
    seed: Annotated[Seed, EVOLUTION] = 0
    deterministic: Annotated[bool, EVOLUTION] = False
    """Give the same history for the same seed with any number of workers (up to 8 are used),
    killed or not; needs --candidate-epochs and limits other than latencies."""

    candidate_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time of the first rung; each further one is three times as far. Derived from the clips and
    the budget by default."""
    candidate_epochs: Annotated[PositiveFloat | None, TRAINING] = None
    """Length of the first rung in epochs, however fast the machine is; with --candidate-time,
    whichever is reached first ends it."""
    inherit: Annotated[bool | None, TRAINING] = None
    """Start children from what their parents learned; on by default, except with --deterministic
    and --strategy local."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time to finish the best, side by side; derived from the budget by default."""
    class_weights: Annotated[ClassWeights, TRAINING] = "auto"
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
    cache_size_bytes: Annotated[CacheSize, MACHINES] = None

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

    clips: Annotated[Clips, TRAINED]
    architecture: Annotated[ArchitectureName, TRAINED]
    format: Annotated[Format, TRAINED] = None
    video_folder: Annotated[VideoFolder, TRAINED] = None
    genes: Annotated[tuple[str, ...], TRAINED, Parameter(metavar="NAME=VALUE")] = ()
    """Gene of the architecture to change, such as frames=8; repeatable."""

    epochs: Annotated[PositiveFloat | None, TRAINING] = None
    """Number of passes over the clips; 60 by default, unless --train-time is given."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time to train the network; with --epochs, whichever is reached first ends it."""
    class_weights: Annotated[ClassWeights, TRAINING] = "auto"
    flip: Annotated[Flip, TRAINING] = False
    seed: Annotated[Seed, TRAINING] = 0
    clips_per_video: Annotated[ClipsPerVideo, TRAINING] = CLIPS_PER_VIDEO

    threads: Annotated[PositiveInt | None, MACHINES] = None
    """Threads to train on; by default one per core while the machine is idle, else one."""
    device: Annotated[Device, MACHINES] = "cpu"
    cache_size_bytes: Annotated[CacheSize, MACHINES] = None

    out: Annotated[Path, OUTPUT] = Path("model")
    """Folder of the model; a training run that was stopped there is resumed."""


class EnsembleRequest(RecordedRequest):
    """What `vidnas ensemble` is asked for."""

    studies: Annotated[tuple[Path, ...], MEMBERS, Parameter(metavar="STUDY")]
    """Folders of finished studies of the same clips, RGB or flow."""
    clips: Annotated[Path | None, MEMBERS] = None
    """Labelled clips: those of the studies, if they have moved."""
    video_folder: Annotated[VideoFolder, MEMBERS] = None
    votes: Annotated[PositiveInt, MEMBERS] = 4
    """Number of votes; a network may have several."""
    pool: Annotated[int | None, Field(ge=2), MEMBERS] = None
    """Number of networks to finish and choose from; twice the votes by default."""
    train_time_s: Annotated[Seconds | None, TRAINING] = None
    """Time to finish each; as for the study's own by default."""
    workers: Annotated[Workers, MACHINES] = None
    out: Annotated[Path | None, OUTPUT] = None
    """Folder of the model; the folder ensemble in the first study by default."""
