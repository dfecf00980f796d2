"""The calibration of a study: one for all that is measured in it, so that its latencies compare."""

from __future__ import annotations

from pathlib import Path

from vidnas.core import UserError
from vidnas.profiling.latency import Reference, calibrate
from vidnas.profiling.remote import calibrate_target, is_of_target
from vidnas.workflows.records import read_record, write_record

REFERENCE_FILE = "latency-reference.json"


def study_reference(
    folder: Path, *, runtime: str, threads: int, target: str | None = None
) -> Reference:
    """Return the study's calibration; it is made, at rest, where there is none of this machine, or
    of the target where there is one.

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
    if target is not None:
        if known is not None and is_of_target(known, target, threads=threads):
            return known
        reference = calibrate_target(target, runtime=runtime, threads=threads)
    elif known is not None and known.fits(runtime=runtime, threads=threads):
        return known
    else:
        reference = calibrate(runtime=runtime, threads=threads)
    write_record(reference, path)
    return reference
