"""`vidnas search`: from clips and a limit to a trained, tested and exported network."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidnas.cli.console import JsonOption, messages, print_json, results
from vidnas.core import Modality, UserError
from vidnas.core.durations import format_duration, parse_duration

if TYPE_CHECKING:
    from vidnas.workflows.watcher import Watcher


class InputName(str, Enum):
    """What networks see."""

    rgb = "rgb"
    flow = "flow"
    both = "rgb+flow"


_MODALITIES: dict[InputName, tuple[Modality, ...]] = {
    InputName.rgb: ("rgb",),
    InputName.flow: ("flow",),
    InputName.both: ("rgb", "flow"),
}


class StrategyName(str, Enum):
    """How candidates are proposed."""

    evolution = "evolution"
    random = "random"
    local = "local"
    pareto = "pareto"


class ObjectiveName(str, Enum):
    """What a Pareto search trades off."""

    accuracy = "accuracy"
    latency = "latency"
    macs = "macs"
    parameters = "parameters"


class ExecutorName(str, Enum):
    """Where candidates run."""

    local = "local"
    ray = "ray"


class DiscardName(str, Enum):
    """Which member leaves a full population."""

    worst = "worst"
    oldest = "oldest"


def command(
    clips: Annotated[Path, typer.Argument(help="Folder of class folders, or a CSV (path,label).")],
    out: Annotated[Path, typer.Option(help="Folder of the study; one that is there is resumed.")],
    limit: Annotated[
        list[str] | None,
        typer.Option(help="latency=40ms, parameters=2M, macs=500M, memory=64MB; repeatable."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Time for everything: two thirds search, then the final training."),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(min=1, help="Number of candidates to train.")
    ] = None,
    family: Annotated[str, typer.Option(help="Family of architectures.")] = "tinyvideonet",
    input_: Annotated[
        InputName,
        typer.Option(
            "--input",
            help="Frames, the optical flow between them, or both for networks of several streams.",
        ),
    ] = InputName.rgb,
    strategy: Annotated[
        StrategyName,
        typer.Option(
            help="evolution towards accuracy; pareto: towards all trade-offs of the objectives; "
            "local: one climb after another; random. The final training is always for the most "
            "accurate within the limits."
        ),
    ] = StrategyName.evolution,
    objective: Annotated[
        list[ObjectiveName] | None,
        typer.Option(help="Of --strategy pareto, two or three; accuracy and latency if not set."),
    ] = None,
    population: Annotated[
        int | None,
        typer.Option(min=1, help="Architectures that may be parents; the family's if not set."),
    ] = None,
    tournament: Annotated[
        int | None, typer.Option(min=1, help="How many compete to be parent; the family's.")
    ] = None,
    discard: Annotated[DiscardName, typer.Option()] = DiscardName.worst,
    mutations: Annotated[
        int | None, typer.Option(min=1, help="Mutations of the first child; the family's.")
    ] = None,
    mutation_decay: Annotated[
        float | None,
        typer.Option(help="Children after which there is one mutation less; the family's."),
    ] = None,
    guided: Annotated[
        bool,
        typer.Option(
            "--guided/--unguided",
            help="Whether mutations see what the parent's training learned, such as connection "
            "weights.",
        ),
    ] = True,
    candidate_time: Annotated[
        str | None, typer.Option(help="Brief training of a candidate; from the budget if not set.")
    ] = None,
    candidate_epochs: Annotated[
        float | None,
        typer.Option(
            help="Brief training in epochs, however fast the machine is; with --candidate-time "
            "the nearer of the two ends it."
        ),
    ] = None,
    inherit: Annotated[
        bool,
        typer.Option(
            "--inherit/--no-inherit", help="Whether children start from their parent's weights."
        ),
    ] = False,
    early_stop: Annotated[
        bool,
        typer.Option(
            "--early-stop/--no-early-stop",
            help="Whether candidates stop that are not among the best third after 1/9 and 1/3 of "
            "their training (successive halving).",
        ),
    ] = False,
    prefilter: Annotated[
        bool,
        typer.Option(
            "--prefilter/--no-prefilter",
            help="Whether the third of the candidates is not trained that scores least before "
            "training.",
        ),
    ] = False,
    train_time: Annotated[
        str | None, typer.Option(help="Full training of the best; from the budget if not set.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes of one thread; all cores if unset.")
    ] = None,
    executor: Annotated[
        ExecutorName,
        typer.Option(help="local: processes of this machine; ray: the nodes of a Ray cluster."),
    ] = ExecutorName.local,
    address: Annotated[
        str | None,
        typer.Option(
            help="host:port of the Ray cluster's head, auto for the cluster that this machine is "
            "in, local for a new one of its own; auto or else local if not set."
        ),
    ] = None,
    gpus_per_candidate: Annotated[
        str,
        typer.Option(
            help="Share of a GPU to train a candidate on: 0.25 is four at a time, auto as many as "
            "its memory has room for, 0 trains on cores."
        ),
    ] = "0",
    threads: Annotated[int, typer.Option(min=1, help="Threads that the model will run on.")] = 1,
    runtime: Annotated[
        str, typer.Option(help="Where latency is measured: onnxruntime, openvino, torch.")
    ] = "onnxruntime",
    size: Annotated[
        int | None,
        typer.Option(min=16, help="Short side of the frames, in pixels; the videos', up to 128."),
    ] = None,
    flip: Annotated[
        bool, typer.Option(help="Mirror training clips; wrong where left and right are classes.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the splits, the proposals and all training.")] = 0,
    deterministic: Annotated[
        bool,
        typer.Option(
            "--deterministic",
            help="The same history from the same seed with any number of workers (up to 8 are "
            "used), killed or not; needs --candidate-epochs and limits other than latency.",
        ),
    ] = False,
    events: Annotated[
        Path | None, typer.Option(help="File that gets a line of JSON for every event.")
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder that gets scalars for TensorBoard.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Keep the trials in a database: postgresql://user@host/db or mysql://...; in the "
            "study's folder if not set."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evolve a network for your clips within a run-time limit; train, test, export and explain it.

    The same command resumes a search that was stopped, by Ctrl-C or by a power cut: every finished
    evaluation is kept.

    Example:

        vidnas search clips/ --out study --limit latency=40ms --budget 30m
    """
    from vidnas.workflows.event_log import EventLines
    from vidnas.workflows.request import SearchRequest
    from vidnas.workflows.scalars import Scalars
    from vidnas.workflows.search_clips import search

    request = SearchRequest(
        clips=clips,
        out=out,
        limits=tuple(limit or ()),
        budget_s=parse_duration(budget) if budget else None,
        evaluations=evaluations,
        family=family,
        input=_MODALITIES[input_],
        strategy=strategy.value,
        objectives=tuple(one.value for one in objective or ()),
        population=population,
        tournament=tournament,
        discard=discard.value,
        mutations=mutations,
        mutation_decay=mutation_decay,
        guided=guided,
        candidate_time_s=parse_duration(candidate_time) if candidate_time else None,
        candidate_epochs=candidate_epochs,
        inherit=inherit,
        early_stop=early_stop,
        train_time_s=parse_duration(train_time) if train_time else None,
        workers=workers,
        latency_threads=threads,
        runtime=runtime,
        size_px=size,
        flip=flip,
        seed=seed,
        deterministic=deterministic,
        storage=storage,
        executor=executor.value,
        address=address,
        gpus_per_candidate=_share(gpus_per_candidate),
    )
    with ExitStack() as stack:
        watchers: list[Watcher] = []
        if events is not None:
            watchers.append(stack.enter_context(EventLines(events)))
        if tensorboard is not None:
            watchers.append(stack.enter_context(Scalars(tensorboard)))
        outcome = search(request, watchers)
    if as_json:
        print_json(outcome.model_dump(mode="json"))
        return
    test = outcome.test
    results.print(
        f"[bold]{test.top1:.1%}[/] top-1 on {test.clips} unseen clips "
        f"({test.top5:.1%} top-5, {test.mean_class:.1%} mean class)"
    )
    latency = outcome.cost.latency
    if latency is not None:
        held = "" if outcome.within_limits else "  [red]over the limit[/]"
        results.print(
            f"[bold]{latency.p50_ms:.2f} ms[/] a clip on this machine "
            f"({latency.protocol.runtime}, {latency.protocol.threads} thread(s)){held}"
        )
    results.print(
        f"model   {outcome.model}\nONNX    {outcome.onnx} (largest difference from torch "
        f"{outcome.export_difference:.1e})\nreport  {outcome.report}"
    )
    messages.print(f"Took {format_duration(outcome.seconds)}. Try it: vidnas predict {out} VIDEO")


def _share(text: str) -> float | Literal["auto"]:
    """A share of a GPU.

    Raises:
        UserError: it is none.
    """
    if text == "auto":
        return "auto"
    with suppress(ValueError):
        if 0 <= (share := float(text)) <= 1:
            return share
    raise UserError(
        f"{text!r} is no share of a GPU; give a number from 0 to 1 such as 0.25, or auto."
    )
