"""The calibration of a study: kept as long as it holds, and replaced with a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidnas.core import LatencyProtocol, UserError
from vidnas.profiling.latency import Reference
from vidnas.workflows import reference as references
from vidnas.workflows.records import read_record, write_record
from vidnas.workflows.reference import REFERENCE_FILE, study_reference

TARGET = "tcp://127.0.0.1:9"


def reference(version: str, target: str | None = None) -> Reference:
    protocol = LatencyProtocol(
        device="cpu" if target is None else f"cpu at {target}",
        runtime=f"onnxruntime {version}",
        threads=1,
        dtype="float32",
        batch=1,
        warmup=3,
        repeats=60,
    )
    return Reference(latency_ms=6.0, protocol=protocol, target=target)


def test_a_study_keeps_its_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    heard: list[str] = []
    really = references.calibrate

    def calibrate(*, runtime: str, threads: int) -> Reference:
        made.append(threads)
        return really(runtime=runtime, threads=threads)

    monkeypatch.setattr(references, "calibrate", calibrate)
    first = study_reference(tmp_path, heard.append, runtime="onnxruntime", threads=1)
    again = study_reference(tmp_path, heard.append, runtime="onnxruntime-int8", threads=1)
    assert again == first
    assert (made, heard) == ([1], [])
    study_reference(tmp_path, heard.append, runtime="onnxruntime", threads=2)
    assert made == [1, 2]
    assert len(heard) == 1


@pytest.mark.parametrize("target", [None, TARGET])
def test_a_calibration_of_another_runtime_is_replaced_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str | None
) -> None:
    old, new = reference("1.2", target), reference("1.3", target)
    monkeypatch.setattr(references, "calibrate", lambda **_: new)
    monkeypatch.setattr(references, "calibrate_target", lambda *_, **__: new)
    monkeypatch.setattr(references, "is_of_target", lambda known, *_, **__: known == new)
    monkeypatch.setattr(Reference, "fits", lambda known, **_: known == new)
    write_record(old, tmp_path / REFERENCE_FILE)
    heard: list[str] = []
    for _ in range(2):
        found = study_reference(
            tmp_path, heard.append, runtime="onnxruntime", threads=1, target=target
        )
        assert found == new == read_record(Reference, tmp_path / REFERENCE_FILE)
    (sentence,) = heard
    device = new.protocol.device
    assert sentence == (
        f"{tmp_path} was calibrated on {device} in onnxruntime 1.2, 1 thread(s), and is now on "
        f"{device} in onnxruntime 1.3, 1 thread(s): latencies of earlier candidates compare only "
        "roughly with those to come."
    )


def test_a_study_of_another_place_is_refused(tmp_path: Path) -> None:
    write_record(reference("1.3", TARGET), tmp_path / REFERENCE_FILE)
    with pytest.raises(UserError, match=f"timed on {TARGET}, not on this machine; give the same"):
        study_reference(tmp_path, pytest.fail, runtime="onnxruntime", threads=1)
