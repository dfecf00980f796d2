"""`vidnas eval`: how well a model classifies clips."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from vidnas.cli.console import JsonOption, print_json


class SplitName(str, Enum):
    """A split of a data set."""

    train = "train"
    val = "val"
    test = "test"


def command(
    model: Annotated[Path, typer.Argument(help="Folder of a model or of a study.")],
    clips: Annotated[Path, typer.Argument(help="Folder of class folders, or a CSV (path,label).")],
    split: Annotated[SplitName, typer.Option(help="Which clips.")] = SplitName.test,
    clips_per_video: Annotated[
        int, typer.Option("--clips", min=1, help="Evenly spaced clips a video, averaged.")
    ] = 3,
    seed: Annotated[int, typer.Option(help="Of splits that the data set does not give.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Measure a model on labelled clips: accuracies and the confusion matrix.

    Example: [cyan]vidnas eval runs/lips clips/ --split test --clips 3[/]
    """
    from vidnas.cli.scores import print_metrics
    from vidnas.core import UserError
    from vidnas.deploy import load_model
    from vidnas.training import evaluate
    from vidnas.workflows.clips import open_clips

    loaded = load_model(model)
    inputs = loaded.architecture.inputs
    cache = open_clips(
        clips,
        size_px=max(spec.size_px for spec in inputs),
        seed=seed,
        modalities={spec.modality for spec in inputs},
        flow_method=loaded.card.flow_method,
    )
    if cache.classes != loaded.classes:
        raise UserError(
            f"{clips} has the classes {', '.join(cache.classes)}, but {model} knows "
            f"{', '.join(loaded.classes)}; use clips of the same classes."
        )
    metrics = evaluate(
        loaded.network, cache, split.value, clips_per_video=clips_per_video, device=device
    )
    if as_json:
        print_json({"classes": cache.classes, "split": split.value, **metrics.model_dump()})
        return
    print_metrics(metrics, cache.classes, f"{model} on {clips} ({split.value})")
