"""How much slower a network reads because the reference network ran right before it.

python -m benchmarks.cold_caches [--network study] [--rounds 200]

"alone" is the CPU time of runs back to back, which is what a user will see; "cold" that of a run
right after the reference network, as searches measured in 0.1.0; "warm" that of a run after an
untimed one, as they do now. All in turns in one process: what the machine does happens to all.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import cpu_ms
from vidnas.core.process import prepare_process

NETWORKS = ("tvn_mobile_1", "tvn1")
_ALONE = 3


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--network", action="append", help="what vidnas bench takes; repeatable")
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    prepare_process(threads=1)
    print_environment()

    from vidnas.deploy import resolve_network
    from vidnas.profiling.reference import REFERENCE_INPUTS, reference_network
    from vidnas.profiling.runtimes import prepare

    prepared = partial(prepare, runtime="onnxruntime", device="cpu", threads=1)
    reference = prepared(reference_network(), REFERENCE_INPUTS).run
    rows = []
    for name in arguments.network or NETWORKS:
        network = resolve_network(name, 10).eval()
        run = prepared(network, network.architecture.inputs).run
        times: dict[str, list[float]] = {"alone": [], "cold": [], "warm": []}
        for _ in range(arguments.rounds):
            run()
            times["alone"] += [cpu_ms(run) for _ in range(_ALONE)]
            reference()
            times["cold"].append(cpu_ms(run))
            reference()
            run()
            times["warm"].append(cpu_ms(run))
        alone, cold, warm = (float(np.median(values)) for values in times.values())
        cells = (f"{value:.3f}" for value in (alone, cold, warm))
        rows.append((name, *cells, f"{cold / alone - 1:+.1%}", f"{warm / alone - 1:+.1%}"))
    print_table(("network", "alone ms", "cold", "warm", "bias before", "bias now"), rows)


if __name__ == "__main__":
    main()
