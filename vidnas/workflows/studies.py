"""New studies from old ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vidnas.core.process import available_cores
from vidnas.evolution.limits import Limits
from vidnas.evolution.merging import fork_study, merge_studies
from vidnas.evolution.study import Study
from vidnas.workflows.listener import Listener
from vidnas.workflows.plan import Plan, planned_strategy
from vidnas.workflows.records import write_record
from vidnas.workflows.request import REQUEST_FILE, SearchRequest


def fork(
    study: Path,
    new: Path,
    listener: Listener,
    *,
    trials: int | None = None,
    limits: Sequence[str] = (),
    strategy: str | None = None,
    storage: str | None = None,
) -> int:
    """Start a new study with the trials of another; return how many it has.

    Args:
        study: folder of the study to take trials from.
        new: folder of the new study.
        listener: is told of the copying.
        trials: how many to take, the first ones; None for all.
        limits: of the new study; those of the old one if there are none.
        strategy: of the new study; None for that of the old one.
        storage: database URL to keep the trials in; None for `study.db` in the folder.

    Raises:
        UserError: the study cannot be read, or the new one cannot be made.
    """
    source = Study.read(study)
    asked: dict[str, object] = {"out": study}
    config: dict[str, object] = {}
    if limits:
        asked["limits"], config["limits"] = tuple(limits), Limits.parse(limits)
    if strategy is not None:
        asked |= {"strategy": strategy, "objectives": ()}
    request = SearchRequest.read(study).model_copy(update=asked)
    if strategy is not None:
        # The study says how far its rungs train, whatever the number of clips.
        plan = Plan.of(request, clips=0, workers=request.workers or available_cores())
        config["strategy"] = planned_strategy(request, plan).describe()
    count = fork_study(
        source,
        new,
        source.config.model_copy(update=config),
        trials=trials,
        storage_url=storage,
        on_progress=partial(listener.progress, "Copying trials"),
    )
    write_record(request.model_copy(update={"out": new}), new / REQUEST_FILE)
    return count


def merge(studies: Sequence[Path], out: Path, listener: Listener) -> int:
    """Put the trials of several studies of the same search into a new one; return their number.

    Limits and strategy are those of the first.

    Raises:
        UserError: the studies cannot be read or do not belong together.
    """
    request = SearchRequest.read(studies[0]).model_copy(update={"out": out})
    progress = partial(listener.progress, "Copying trials")
    count = merge_studies([Study.read(one) for one in studies], out, on_progress=progress)
    write_record(request, out / REQUEST_FILE)
    return count
