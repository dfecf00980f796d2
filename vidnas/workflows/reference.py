"""The calibration of a study: one for all that is measured in it, so that its latencies compare."""

from __future__ import annotations

from pathlib import Path

from vidnas.profiling.latency import Reference, calibrate
from vidnas.workflows.records import read_record, write_record

REFERENCE_FILE = "latency-reference.json"


def study_reference(folder: Path, *, runtime: str, threads: int) -> Reference:
    """Return the study's calibration; it is made, at rest, where there is none of this machine.

    Raises:
        UserError: the runtime cannot be used, or the record is damaged.
    """
    path = folder / REFERENCE_FILE
    known = read_record(Reference, path)
    if known is not None and known.fits(runtime=runtime, threads=threads):
        return known
    reference = calibrate(runtime=runtime, threads=threads)
    write_record(reference, path)
    return reference
