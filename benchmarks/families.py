"""Which family finds the best network: their searches on the same clips, in the same time.

    python -m benchmarks.families digits10.csv --out families --minutes 20

`vidnas search` with its defaults, once per family and seed. Nothing else should be running. What is
finished is recorded in OUT/runs.jsonl and found there again, also with more families or seeds.
"""

from __future__ import annotations

import statistics
from itertools import product
from pathlib import Path

from benchmarks.clips import CLIPS_HELP, find_clips
from benchmarks.results import Log, Results, options, over_seeds, print_table

FAMILIES = ("tinyvideonet", "evanet", "assemblenet")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("clips", help=CLIPS_HELP)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20.0, help="of wall time per search")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--limit", default="latency=5ms")
    parser.add_argument("--families", nargs="+", default=FAMILIES)
    arguments = parser.parse_args()

    from benchmarks.commands import search_by_command

    results = Results("families", arguments)
    clips = find_clips(arguments.clips, arguments.out)
    runs = Log(arguments.out / "runs.jsonl")
    asked = {"minutes": arguments.minutes, "limit": arguments.limit}
    lines = []
    for seed, family in product(range(arguments.seeds), arguments.families):
        key = {"clips": clips.stem, "family": family, "seed": seed, **asked}
        line = runs.find(**key)
        if line is None:
            folder = arguments.out / f"{clips.stem}-{arguments.minutes:g}m-{family}-{seed}"
            settings = {
                "family": family,
                "budget": f"{60 * arguments.minutes:g}s",
                "limit": arguments.limit,
                "seed": seed,
            }
            line = runs.add(**key, **search_by_command(clips, folder.resolve(), settings))
            runs.show(line)
        lines.append(line)
    print(f"\n{clips.stem}, {arguments.minutes:g} minutes per search, {arguments.limit}")
    by = {
        family: [line for line in lines if line["family"] == family]
        for family in arguments.families
    }
    print_table(
        (
            "family",
            "test top-1 %, mean (min to max)",
            "validation top-1 %",
            "latency ms",
            "parameters",
            "epochs",
            "candidates",
            "s",
        ),
        (
            (
                family,
                over_seeds([100 * run["top1"] for run in found]),
                over_seeds([100 * run["validation_top1"] for run in found]),
                over_seeds([run["latency_ms"] for run in found], ".2f"),
                f"{statistics.mean(run['parameters'] for run in found):,.0f}",
                f"{statistics.mean(run['epochs'] for run in found):.0f}",
                f"{statistics.mean(run['candidates'].get('ok', 0) for run in found):.0f}",
                f"{statistics.mean(run['wall_s'] for run in found):.0f}",
            )
            for family, found in by.items()
        ),
    )
    results.finish(*lines)


if __name__ == "__main__":
    main()
