"""`vidnas train`: one architecture, trained in full, tested and saved."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from vidnas.cli.console import JsonOption, messages, print_json, results
from vidnas.core import UserError
from vidnas.core.durations import format_duration, parse_duration
from vidnas.families import create_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vidnas.families import Architecture
    from vidnas.training import EpochReport

_DEFAULT_EPOCHS = 60.0
_CHECKPOINT = "training.checkpoint"


def command(
    clips: Annotated[Path, typer.Argument(help="Folder of class folders, or a CSV (path,label).")],
    architecture: Annotated[
        str, typer.Option(help="Published name, architecture JSON file, model or study folder.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the model; one begun there is continued.")],
    genes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="GENE=VALUE", help="Change a gene, such as frames=8; repeatable."
        ),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(help=f"Passes over the clips; {_DEFAULT_EPOCHS:g} unless timed.")
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Training time: 90s, 10m, 1h30m.")] = None,
    balanced: Annotated[
        bool, typer.Option(help="Let rare classes count as much as frequent ones.")
    ] = False,
    flip: Annotated[
        bool, typer.Option(help="Mirror training clips; wrong where left and right are classes.")
    ] = False,
    test_clips: Annotated[
        int, typer.Option(min=1, help="Evenly spaced clips a video that the test averages over.")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of splits, weights and training.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="All cores if not set.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train an architecture from scratch, test it on unseen clips and save it as a model.

    Ctrl-C loses at most an epoch: the same command continues.

    Example: [cyan]vidnas train clips/ --architecture tvn1 --out runs/tvn1 --budget 10m[/]
    """
    import torch

    from vidnas.cli.scores import print_metrics
    from vidnas.deploy import Model, ModelCard, resolve_architecture, save_model
    from vidnas.deploy.model import MODEL_FILE
    from vidnas.profiling import count_cost
    from vidnas.training import NotFinite, TrainingSettings, evaluate, train
    from vidnas.workflows.clips import open_clips

    if epochs is not None and epochs <= 0:
        raise UserError(f"--epochs {epochs:g} trains nothing; give a number above zero.")
    if (out / MODEL_FILE).exists():
        raise UserError(f"{out} already holds a trained model; choose another folder for --out.")
    budget_s = parse_duration(budget) if budget else None
    settings = TrainingSettings.full(
        epochs=epochs or (None if budget_s else _DEFAULT_EPOCHS),
        budget_s=budget_s,
        flip=flip,
        class_weights="balanced" if balanced else "none",
    )
    if threads is not None:
        torch.set_num_threads(threads)
    value = _with_genes(resolve_architecture(architecture), genes or [])
    modalities = {spec.modality for spec in value.inputs}
    size_px = max(spec.size_px for spec in value.inputs)
    cache = open_clips(clips, size_px=size_px, seed=seed, modalities=modalities)
    torch.manual_seed(seed)
    network = create_network(value, len(cache.classes))
    cost = count_cost(value, len(cache.classes))
    messages.print(f"{cost.parameters:,} parameters, {cost.macs / 1e6:.1f} million MACs a clip.")
    checkpoint = out / _CHECKPOINT
    try:
        with _live_progress() as show:
            report = train(
                network,
                cache,
                settings,
                seed=seed,
                device=device,
                checkpoint=checkpoint,
                on_epoch=show,
            )
    except NotFinite as error:
        checkpoint.unlink(missing_ok=True)
        raise UserError(
            f"The training of {architecture} diverged: {error} Try another --seed, or a smaller "
            "network."
        ) from error
    test = evaluate(network, cache, "test", clips_per_video=test_clips, device=device)
    card = ModelCard(
        validation=report.validation,
        test=test,
        cost=cost,
        settings={**settings.model_dump(mode="json"), "seed": seed, **cache.settings(modalities)},
        data=cache.fingerprint,
    )
    save_model(Model(network.cpu(), cache.classes, card), out)
    checkpoint.unlink(missing_ok=True)
    if as_json:
        print_json({"model": str(out), "epochs": report.epochs, **card.model_dump(mode="json")})
        return
    print_metrics(test, cache.classes, f"{architecture} on the test clips")
    results.print(f"model  {out}", soft_wrap=True)
    messages.print(
        f"Trained {report.epochs:.1f} epochs in {format_duration(report.seconds)}. "
        f"Try it: vidnas predict {out} VIDEO",
        soft_wrap=True,
    )


def _with_genes(architecture: Architecture, assignments: list[str]) -> Architecture:
    """The architecture with some of its genes replaced."""
    from vidnas.families import architecture_from_json

    genes: dict[str, Any] = json.loads(architecture.to_json())
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in genes or name == "family":
            known = ", ".join(gene for gene in genes if gene != "family")
            raise UserError(
                f"--set {assignment} changes no gene; write GENE=VALUE with one of {known}."
            )
        genes[name] = text
        with suppress(json.JSONDecodeError):  # what is not JSON is taken as text
            genes[name] = json.loads(text)
    return architecture_from_json(json.dumps(genes))


@contextmanager
def _live_progress() -> Iterator[Callable[[EpochReport], None]]:
    """Show a bar with the time left while the block runs; every validation leaves a line."""
    with Progress(
        TextColumn("Training"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=messages,
        transient=True,
    ) as progress:
        bar = progress.add_task("", total=1.0)

        def show(report: EpochReport) -> None:
            state = f"epoch {report.epoch:.1f}, loss {report.train_loss:.3f}"
            progress.update(
                bar,
                completed=report.fraction,
                description=f"{state}, {report.clips_per_s:.0f} clips/s",
            )
            if report.validation is not None:
                messages.print(f"  {state}, validation top-1 {report.validation.top1:.1%}")

        yield show
