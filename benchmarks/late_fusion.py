"""A searched four-stream network against the same blocks as two streams with late fusion.

    python -m benchmarks.guidance DIGITS.csv --out guidance
    python -m benchmarks.late_fusion DIGITS.csv guidance/guided-0

The two-stream network has each block of the winner twice, with half the filters: once fed by RGB
alone and once by flow alone; blocks that are left without an input are dropped, and the streams
meet in the classifier, which takes the mean of their features. Both networks are
trained for the same time with the same settings, one thread each, side by side; three seeds; the
test split only reports.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "late_fusion.json"


def two_streams(architecture: Any) -> Any:
    """The same blocks without any connection between what RGB and what flow gave."""
    stems = len(architecture.stems)
    blocks: list[Any] = []
    for kind in ("rgb", "flow"):
        place = {i: i for i, stem in enumerate(architecture.stems) if stem.kind == kind}
        for node in range(stems, len(architecture.node_names)):
            block = architecture.block(node)
            inputs = tuple(sorted(place[i] for i in block.inputs if i in place))
            if inputs:
                place[node] = stems + len(blocks)
                changes = {"inputs": inputs, "filters": max(block.filters // 2, 1), "name": ""}
                blocks.append(block.model_copy(update=changes))
    return type(architecture).model_validate({**dict(architecture), "blocks": tuple(blocks)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("study", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()

    from benchmarks.lips import train_and_test
    from vidnas.data.cache import build_cache
    from vidnas.data.datasets import load_dataset
    from vidnas.evolution import LocalExecutor, Study
    from vidnas.profiling import count_cost

    cache = build_cache(load_dataset(options.clips), size_px=64)
    fused = Study.read(options.study).fittest(1)[0].architecture
    networks = {"fused": fused, "late fusion": two_streams(fused)}
    rows: dict[str, dict[str, Any]] = {}
    for name, architecture in networks.items():
        cost = count_cost(architecture, len(cache.classes))
        rows[name] = {"macs": cost.macs, "parameters": cost.parameters, "runs": []}
    with LocalExecutor() as executor:
        for seed in range(options.seeds):
            pending = {
                name: executor.submit(
                    train_and_test, cache.directory, value.to_json(), options.minutes, seed
                )
                for name, value in networks.items()
            }
            for name, future in pending.items():
                rows[name]["runs"].append(future.result())
    print(f"{options.minutes:g} minutes of training each, one thread; test split")
    for name, row in rows.items():
        top1 = [100 * run["top1"] for run in row["runs"]]
        print(
            f"{name:12} top-1 {statistics.mean(top1):5.1f} % "
            f"({', '.join(f'{value:.1f}' for value in top1)})  {row['macs'] / 1e6:7.1f} MMACs  "
            f"{row['parameters']:9,} parameters  "
            f"{statistics.mean(run['epochs'] for run in row['runs']):5.1f} epochs"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    record = {"minutes": options.minutes, "networks": rows}
    RESULTS.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
