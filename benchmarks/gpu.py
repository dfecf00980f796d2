"""What a GPU gives: right numbers, candidates per hour, how busy it is, latency of one clip.

python -m benchmarks.gpu [--device cuda] [--quick]

The same code runs on the CPU with `--device cpu --quick`: less of everything, without what only
CUDA has. That shows that it works and measures nothing. A full run is kept in results/gpu.jsonl.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.clips import THREE_MOTIONS, temporary_cache
from benchmarks.results import Results, options
from benchmarks.searching import evaluator_of, space_of
from vidnas.data.augmentation import Augmentation
from vidnas.data.cache import ClipCache
from vidnas.data.resident import ResidentClips, cut_resident
from vidnas.data.sampling import Cut, cut_from_file, train_batches
from vidnas.evolution import LocalExecutor
from vidnas.families import Network, create_network
from vidnas.training import TrainingSettings, train
from vidnas.training.device import mixed_precision, usable_device

PUBLISHED = ("tvn1", "tvn2", "tvn3", "tvn4")
COMPILED = "tvn1"
"""Compiling takes minutes for the larger ones: one shows what it gives."""
SMALL = {"frames": 2, "size_px": 32}
EPOCHS = 40
"""After a few, the loss of so small a network has not begun to fall, wherever it trains."""
FLOAT32_TOLERANCE, BFLOAT16_TOLERANCE = 1e-3, 0.05
"""Largest difference of a logit, as a share of the largest logit."""


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="little of everything, kept nowhere")
    arguments = parser.parse_args()
    device, quick = usable_device(arguments.device), arguments.quick
    # The CPU has no TF32: both compute in the same float32. Workers keep torch's default.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    results = Results("gpu", arguments, keep=not quick)
    found: dict[str, Any] = {}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    results.add(device=name)
    with temporary_cache(clips_per_class=16 if quick else 80) as (_, cache):
        sections: dict[str, Callable[[], Any]] = {  # what may take minutes comes last
            "logits": partial(compare_logits, device),
            "training": partial(compare_training, cache, device),
            "batches": partial(compare_batches, cache, device, passes=1 if quick else 20),
            **{
                f"candidates, {workers} at a time": partial(
                    candidates, cache, device, quick, workers
                )
                for workers in ((1, 2) if quick else (4, 2, 1))
            },
            "latency_ms": partial(latencies_ms, device, quick),
        }
        if not quick:
            sections["compiled_ms"] = partial(compiled_ms, device)
        for section, measure in sections.items():
            found[section] = results.measure(measure, section=section)
            print(json.dumps({section: found[section]}, indent=1), flush=True)
    results.finish()
    wrong = [one for one in ("logits", "training", "batches") if not found[one]["right"]]
    print(f"{name}: {'wrong: ' + ', '.join(wrong) if wrong else 'as on the CPU'}")
    raise SystemExit(bool(wrong))


def compare_logits(device: torch.device) -> dict[str, Any]:
    """Compare the logits of networks of three families with those in float32 on the CPU."""
    torch.manual_seed(0)
    networks = {name: create_network(name, 10) for name in PUBLISHED}
    for name in ("evanet", "assemblenet"):
        space = space_of(name, max_size_px=32, max_frames=8)
        networks[name] = create_network(space.random(np.random.default_rng(0)), 10)
    found: dict[str, Any] = {"right": True}
    for name, network in networks.items():
        clips = clips_for(network, torch.device("cpu"))
        with torch.inference_mode():
            expected = network.eval()(*clips)
        network.to(device)
        clips = tuple(clip.to(device) for clip in clips)
        float32, bfloat16 = (
            ((logits - expected).abs().max() / expected.abs().max()).item()
            for logits in (
                autocast(network, clips, "float32", device).cpu(),
                autocast(network, clips, "bfloat16", device).float().cpu(),
            )
        )
        found[name] = {"float32": float32, "bfloat16": bfloat16}
        found["right"] &= float32 <= FLOAT32_TOLERANCE and bfloat16 <= BFLOAT16_TOLERANCE
    return found


def clips_for(network: Network, device: torch.device) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    inputs = network.architecture.inputs
    return tuple(torch.rand(one.shape(), generator=generator).to(device) for one in inputs)


@torch.inference_mode()
def autocast(
    network: Network, clips: tuple[Tensor, ...], precision: Any, device: torch.device
) -> Tensor:
    with mixed_precision(precision, device):
        logits: Tensor = network(*clips)
    return logits


def compare_training(cache: ClipCache, device: torch.device) -> dict[str, Any]:
    """Return the losses of a training run on the CPU and on the device: both must fall."""
    losses = {}
    for where in dict.fromkeys(("cpu", str(device))):
        torch.manual_seed(0)
        network = create_network("tvn_mobile_1", len(THREE_MOTIONS), **SMALL)
        settings = TrainingSettings(epochs=EPOCHS, batch_size=8)
        report = train(network, cache, settings, seed=0, device=where)
        losses[where] = [epoch.train_loss for epoch in report.history]
    return {"right": all(one[-1] < one[0] for one in losses.values()), "losses": losses}


def compare_batches(cache: ClipCache, device: torch.device, *, passes: int) -> dict[str, Any]:
    """Return clips per second to the device, cut there and on the CPU, and how they differ."""
    inputs = create_network("tvn_mobile_1", 3, **SMALL).architecture.inputs
    held = ResidentClips(cache, "train", "rgb", device)
    cuts: dict[str, Cut] = {
        "clips_per_s_from_file": cut_from_file,
        "clips_per_s_resident": partial(cut_resident, {"rgb": held}),
    }
    found: dict[str, Any] = {}
    firsts = []
    for name, cut in cuts.items():
        firsts.append(next(batches(cache, inputs, cut, device)).cpu().int())
        began, seen = time.perf_counter(), 0
        for _ in range(passes):
            seen += sum(len(clips) for clips in batches(cache, inputs, cut, device))
        wait_for(device)
        found[name] = seen / (time.perf_counter() - began)
    difference = int((firsts[0] - firsts[1]).abs().max())
    return {"right": difference <= 1, "grey_levels": difference, **found}


def batches(cache: ClipCache, inputs: Any, cut: Cut, device: torch.device) -> Iterator[Tensor]:
    rng, augmentation = np.random.default_rng(0), Augmentation(flip=True)
    for (clips,), _ in train_batches(
        cache, inputs, batch_size=16, rng=rng, augmentation=augmentation, cut=cut
    ):
        yield clips.to(device)


def latencies_ms(device: torch.device, quick: bool) -> dict[str, dict[str, float | str]]:
    """Time one clip on the device until its logits are there: median of 50 after 10 warm-ups."""
    warmup, repeats = (1, 3) if quick else (10, 50)
    found: dict[str, dict[str, float | str]] = {}
    for name in PUBLISHED:
        network = create_network(name, 400).eval().to(device)
        clips = clips_for(network, device)
        ways: dict[str, Callable[[], Callable[[], object]]] = {
            "eager": partial(partial, network, *clips),
            "bfloat16": partial(partial, autocast, network, clips, "bfloat16", device),
        }
        if device.type == "cuda":
            ways["graphs"] = partial(captured, network, clips)
        found[name] = {way: median_ms(make, device, warmup, repeats) for way, make in ways.items()}
    return found


def compiled_ms(device: torch.device) -> dict[str, float | str]:
    """Time one clip as above in a compiled network, and what compiling it took."""
    network = create_network(COMPILED, 400).eval().to(device)
    run = partial(torch.compile(network), *clips_for(network, device))
    first = median_ms(lambda: run, device, 0, 1)
    return {COMPILED: median_ms(lambda: run, device, 10, 50), "first call": first}


@torch.inference_mode()
def median_ms(
    make: Callable[[], Callable[[], object]], device: torch.device, warmup: int, repeats: int
) -> float | str:
    """Return the time, or why there is none: one network must not end the whole benchmark."""
    try:
        run = make()
        times_ms = []
        for _ in range(warmup + repeats):
            wait_for(device)
            began = time.perf_counter()
            run()
            wait_for(device)
            times_ms.append(1000 * (time.perf_counter() - began))
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return statistics.median(times_ms[warmup:])


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def captured(network: Network, clips: tuple[Tensor, ...]) -> Callable[[], object]:
    """Capture a CUDA graph of one clip, after runs that choose kernels and allocate memory."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            network(*clips)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(*clips)
    return graph.replay


def candidates(cache: ClipCache, device: torch.device, quick: bool, workers: int) -> dict[str, Any]:
    """Evaluate the same candidates as a search does, with so many workers sharing the device."""
    space = space_of("tinyvideonet", max_size_px=32 if quick else 64, max_frames=8)
    rng = np.random.default_rng(0)
    drawn = [space.random(rng) for _ in range(2 if quick else 16)]
    settings = TrainingSettings(epochs=1 if quick else 10)
    evaluator = evaluator_of("tinyvideonet", cache, settings, device=str(device))
    with LocalExecutor(workers) as executor:
        warm = [executor.submit(evaluator.evaluate, drawn[0], 0, None) for _ in range(workers)]
        for future in warm:
            future.result()
        with utilisation(device) as samples:
            began = time.monotonic()
            futures = [executor.submit(evaluator.evaluate, one, 0, None) for one in drawn]
            outcomes = [future.result() for future in futures]
            seconds = time.monotonic() - began
    return {
        "candidates_per_hour": 3600 * len(drawn) / seconds,
        "utilisation_percent": statistics.mean(samples) if samples else None,
        "failures": [one.reason for one in outcomes if one.status != "ok"],
    }


@contextmanager
def utilisation(device: torch.device) -> Iterator[list[int]]:
    """Yield a list that holds, after the block, the percentage of each second with a kernel."""
    samples: list[int] = []
    if device.type != "cuda" or not shutil.which("nvidia-smi"):
        yield samples
        return
    command = ["nvidia-smi", f"--id={device.index or 0}", "--query-gpu=utilization.gpu"]
    with subprocess.Popen(
        [*command, "--format=csv,noheader,nounits", "-l", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield samples
        finally:
            process.terminate()
            lines = list(process.stdout or ())
            samples += [int(line) for line in lines if line.strip().isdigit()]


if __name__ == "__main__":
    main()
