"""The calibration of a study: one for all that is measured in it, so that its latencies compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vidnas.core import UserError
from vidnas.profiling.latency import Reference, calibrate
from vidnas.profiling.remote import calibrate_target, is_of_target
from vidnas.workflows.records import read_record, write_record

REFERENCE_FILE = "latency-reference.json"


def study_reference(
    folder: Path,
    on_remark: Callable[[str], None],
    *,
    runtime: str,
    threads: int,
    target: str | None = None,
) -> Reference:
    """Return the study's calibration; it is made, at rest, where there is none of this machine, or
    of the target where there is one, as it is now.

    Args:
        folder: of the study.
        on_remark: is told that a calibration was replaced: latencies no longer compare as they did.
        runtime: that candidates are timed in.
        threads: on which they are timed.
        target: the machine where; None for this one.

    Raises:
        UserError: the runtime cannot be used, the target does not answer or is another one than
            that on which the study's candidates were timed, or the record is damaged.
    """
    path = folder / REFERENCE_FILE
    known = read_record(Reference, path)
    if known is not None and known.target != target:
        raise UserError(
            f"The candidates in {folder} were timed on {known.target or 'this machine'}, not on "
            f"{target or 'this machine'}; give the same --target, or another folder for --out."
        )
    if known is not None and _holds(known, runtime, threads):
        return known
    if target is None:
        reference = calibrate(runtime=runtime, threads=threads)
    else:
        reference = calibrate_target(target, runtime=runtime, threads=threads)
    if known is not None:
        on_remark(
            f"{folder} was calibrated on {_place(known)}, and is now on {_place(reference)}: "
            "latencies of earlier candidates compare only roughly with those to come."
        )
    write_record(reference, path)
    return reference


def _holds(known: Reference, runtime: str, threads: int) -> bool:
    if known.target is None:
        return known.fits(runtime=runtime, threads=threads)
    return is_of_target(known, known.target, threads=threads)


def _place(reference: Reference) -> str:
    protocol = reference.protocol
    return f"{protocol.device} in {protocol.runtime}, {protocol.threads} thread(s)"
