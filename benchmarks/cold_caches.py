"""How much slower a network reads because the reference network runs right before it.

python -m benchmarks.cold_caches [--network study] [--rounds 200]

"alone" is the CPU time of runs back to back, which is what a user will see. The protocol of a
search runs reference and network alternately, each some times untimed and once timed: how much
slower each then reads than alone, and how much their ratio does, which is what a latency is made
of. All in turns in one process: what the machine does happens to all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import cpu_ms
from vidnas.core.process import prepare_process

NETWORKS = ("tvn_mobile_1", "tvn1")
UNTIMED = (0, 1, 2, 4, 8)
_ALONE = 3

Run = Callable[[], object]


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
        alone_ms, biases = measure(run, reference, arguments.rounds)
        for untimed, found in biases.items():
            rows.append((name, f"{alone_ms:.3f}", untimed, *(f"{bias:+.1%}" for bias in found)))
    print_table(("network", "alone ms", "untimed", "network", "reference", "ratio"), rows)


def measure(
    run: Run, reference: Run, rounds: int
) -> tuple[float, dict[int, tuple[float, float, float]]]:
    """Return the time alone, and by untimed runs the biases of network, reference and ratio."""
    alone: list[list[float]] = [[], []]
    pairs: dict[int, list[tuple[float, float]]] = {untimed: [] for untimed in UNTIMED}
    for _ in range(rounds):
        for times, one in zip(alone, (run, reference), strict=True):
            one()
            times += [cpu_ms(one) for _ in range(_ALONE)]
        for untimed, found in pairs.items():
            run()
            beside_ms = _after(reference, untimed)
            found.append((_after(run, untimed), beside_ms))
    own_ms, reference_ms = (float(np.median(times)) for times in alone)
    biases = {}
    for untimed, found in pairs.items():
        own, beside = np.array(found).T
        values = np.median(own), np.median(beside), np.median(own / beside)
        usual = own_ms, reference_ms, own_ms / reference_ms
        network, machine, ratio = (float(v / u) - 1 for v, u in zip(values, usual, strict=True))
        biases[untimed] = network, machine, ratio
    return own_ms, biases


def _after(run: Run, untimed: int) -> float:
    for _ in range(untimed):
        run()
    return cpu_ms(run)


if __name__ == "__main__":
    main()
