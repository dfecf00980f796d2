"""A searched four-stream network against the same blocks as two streams with late fusion.

    python -m benchmarks.guidance DIGITS.csv --out guidance
    python -m benchmarks.late_fusion DIGITS.csv guidance/guided-0

The two-stream network has each block of the winner twice, with half the filters: once fed by RGB
alone and once by flow alone. Blocks that are left without an input are dropped, and the streams
meet in the classifier, which takes the mean of their features. Both networks are trained for the
same time with the same settings, one thread each, side by side, with three seeds; the test split
only reports.
"""

from __future__ import annotations

from typing import Any

from benchmarks.lips import compare, comparison_options


def two_streams(architecture: Any) -> Any:
    """Return the same blocks without any connection between RGB and flow."""
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
    arguments = comparison_options(__doc__, minutes=2).parse_args()

    from vidnas.evolution import Study

    fused = Study.read(arguments.study).fittest(1)[0].architecture
    compare("late_fusion", {"fused": fused, "late fusion": two_streams(fused)}, arguments)


if __name__ == "__main__":
    main()
