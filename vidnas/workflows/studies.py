"""New studies from old ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vidnas.core import UserError
from vidnas.core.process import available_cores
from vidnas.data.datasets import load_dataset
from vidnas.evolution.limits import Limits
from vidnas.evolution.merging import fork_study, merge_studies
from vidnas.evolution.study import Study
from vidnas.profiling.latency import Reference
from vidnas.workflows.listener import Listener
from vidnas.workflows.plan import Plan, planned_strategy, unused_settings
from vidnas.workflows.records import read_record, write_record
from vidnas.workflows.reference import REFERENCE_FILE
from vidnas.workflows.request import REQUEST_FILE, SearchRequest
from vidnas.workflows.study_clips import known_clips


def fork(
    study: Path,
    new: Path,
    listener: Listener,
    *,
    trials: int | None = None,
    limits: Sequence[str] = (),
    strategy: str | None = None,
    clips: Path | None = None,
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
        clips: of the new study, with the same classes; None for those of the old one.
        storage: database URL to keep the trials in; None for `study.db` in the folder.

    Raises:
        UserError: the study cannot be read, or the new one cannot be made.
    """
    source = Study.read(study)
    previous = _asked(source)
    reference = read_record(Reference, study / REFERENCE_FILE)
    asked: dict[str, object] = {"out": study}
    config: dict[str, object] = {}
    if limits:
        asked["limits"], config["limits"] = tuple(limits), _same_kind(limits, source.config.limits)
    if strategy is not None:
        asked["strategy"] = strategy
    if clips is not None:
        dataset = load_dataset(
            clips,
            seed=source.config.seed,
            format=previous.format,
            video_folder=previous.video_folder,
        )
        asked["clips"] = clips.resolve()
        config |= {"classes": dataset.classes, "data_fingerprint": dataset.fingerprint()}
        listener.remark(
            "The trials keep the fitness that they had on the old clips, and leave behind what "
            "they learned from them: those that climb on are trained on the new ones from the "
            "start, and children of the others start from scratch."
        )
    request = previous.model_copy(update=asked)
    if strategy is not None:
        request = request.model_copy(update=unused_settings(request))
        # The study says how far its rungs train, whatever the number of clips.
        plan = Plan.of(request, clips=1, workers=request.workers or available_cores())
        config["strategy"] = planned_strategy(request, plan).describe()
    count = fork_study(
        source,
        new,
        source.config.model_copy(update=config),
        trials=trials,
        other_clips=clips is not None,
        storage_url=storage,
        on_progress=partial(listener.progress, "Copying trials"),
    )
    _write_records(new, request, reference)
    return count


def _write_records(folder: Path, request: SearchRequest, reference: Reference | None) -> None:
    """Write what was asked, and where the candidates were timed: no other target may time more."""
    if reference is not None:
        write_record(reference, folder / REFERENCE_FILE)
    write_record(request.model_copy(update={"out": folder}), folder / REQUEST_FILE)


def _same_kind(texts: Sequence[str], previous: Limits) -> Limits:
    limits = Limits.parse(texts)
    if (limits.frame_latency_ms is None) is not (previous.frame_latency_ms is None):
        raise UserError(
            "A search with the limit frame_latency visits other networks than one without it; "
            "start a new study with vidnas search, or fork with limits of the same kind."
        )
    return limits


def merge(studies: Sequence[Path], out: Path, listener: Listener) -> int:
    """Put the trials of several studies of the same search into a new one; return their number.

    Limits and strategy are those of the first.

    Raises:
        UserError: the studies cannot be read or do not belong together.
    """
    sources = [Study.read(one) for one in studies]
    request = _asked(sources[0])
    reference = read_record(Reference, studies[0] / REFERENCE_FILE)
    for other in studies[1:]:
        _require_same_clips(other, studies[0])
    progress = partial(listener.progress, "Copying trials")
    count = merge_studies(sources, out, on_progress=progress)
    _write_records(out, request, reference)
    return count


def _asked(study: Study) -> SearchRequest:
    """Return what a study was last asked for.

    Raises:
        UserError: it is of no clips, so that no command goes on with it.
    """
    if not study.config.data_fingerprint:
        raise UserError(
            f"{study.folder} was made by vidnas.search, and no command goes on with a study that "
            "is of no clips; use fork_study or merge_studies of vidnas.evolution.merging in Python."
        )
    return SearchRequest.read(study.folder)


def _require_same_clips(one: Path, other: Path) -> None:
    clips, others = known_clips(one), known_clips(other)
    if clips and others and clips.fingerprint != others.fingerprint:
        raise UserError(
            f"{one} was searched on other clips than {other} ({others.changes(clips)}); merge "
            "studies of the same clips."
        )
