"""Run every benchmark that needs nothing but this repository, one after the other.

python -m benchmarks [NAME ...]
"""

from __future__ import annotations

import subprocess
import sys

SELF_CONTAINED = (
    "cache",
    "latency_steadiness",
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
    for name in sys.argv[1:] or SELF_CONTAINED:
        print(f"\n== benchmarks/{name}.py", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
