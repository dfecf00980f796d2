"""Run every benchmark that needs nothing but this repository, one after the other.

python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.results import options

SELF_CONTAINED = (
    "cache",
    "fuzz",
    "cache_scale",
    "latency_steadiness",
    "cold_caches",
    "training_step",
    "representation_flow",
    "branches",
    "evanet_space",
    "small_candidate",
    "workers",
    "engine_overhead",
    "kill_resume",
)


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = options(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SELF_CONTAINED))
    for name in parser.parse_args().names or SELF_CONTAINED:
        print(f"\n== benchmarks/{name}.py", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
