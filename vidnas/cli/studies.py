"""`vidnas study`: new studies from old ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidnas.cli.console import counting, messages, results
from vidnas.cli.search import StrategyName

app = typer.Typer(
    help="Begin a study with the trials of others. To move or copy one, move or copy its folder.",
    no_args_is_help=True,
)


@app.command("fork")
def fork(
    study: Annotated[Path, typer.Argument(help="Folder of the study to take trials from.")],
    new: Annotated[Path, typer.Argument(help="Folder of the new study.")],
    trials: Annotated[
        int | None, typer.Option(min=0, help="How many, the first ones; all if not set.")
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Limits of the new study instead of the old, such as latency=20ms."),
    ] = None,
    strategy: Annotated[
        StrategyName | None, typer.Option(help="Strategy of the new study instead of the old.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database URL to keep the trials in; study.db in the folder if not set."),
    ] = None,
) -> None:
    """Begin a new study with the trials of another, under other limits or another strategy.

    Space, clips, training and seed stay the same, because trials could not be compared otherwise.
    Under other limits they are judged anew; none is trained again.

    Example:

        vidnas study fork study faster --limit latency=20ms

        vidnas search clips/ --out faster --limit latency=20ms --evaluations 200
    """
    from vidnas.evolution.limits import Limits
    from vidnas.evolution.merging import fork_study
    from vidnas.evolution.study import Study
    from vidnas.workflows.page import write_record
    from vidnas.workflows.request import REQUEST_FILE, SearchRequest, describe_strategy

    source = Study.read(study)
    asked: dict[str, object] = {"out": study}
    config: dict[str, object] = {}
    if limit:
        asked["limits"], config["limits"] = tuple(limit), Limits.parse(limit)
    if strategy is not None:
        asked |= {"strategy": strategy.value, "objectives": None}
    request = SearchRequest.read(study).model_copy(update=asked)
    if strategy is not None:
        config["strategy"] = describe_strategy(request)
    with counting("Copying trials") as progress:
        count = fork_study(
            source, new, source.config.model_copy(update=config), trials=trials,
            storage_url=storage, on_progress=progress,
        )  # fmt: skip
    write_record(request.model_copy(update={"out": new}), new / REQUEST_FILE)
    _say(new, count)


@app.command("merge")
def merge(
    studies: Annotated[list[Path], typer.Argument(help="Folders of studies, two or more.")],
    out: Annotated[Path, typer.Option(help="Folder of the new study.")],
) -> None:
    """Put the trials of several studies of the same space, clips, training and seed into a new one.

    Limits and strategy are those of the first. An architecture that several have tried is
    kept once.

    Example:

        vidnas study merge monday tuesday --out both
    """
    from vidnas.evolution.merging import merge_studies
    from vidnas.evolution.study import Study
    from vidnas.workflows.page import write_record
    from vidnas.workflows.request import REQUEST_FILE, SearchRequest

    request = SearchRequest.read(studies[0]).model_copy(update={"out": out})
    with counting("Copying trials") as progress:
        count = merge_studies([Study.read(one) for one in studies], out, on_progress=progress)
    write_record(request, out / REQUEST_FILE)
    _say(out, count)


def _say(folder: Path, count: int) -> None:
    results.print(f"{folder} begins with {count} trials")
    messages.print(f"Go on with: vidnas search CLIPS --out {folder} --evaluations TOTAL ...")
