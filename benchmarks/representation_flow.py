"""What the layer of representation flow takes beside a plain transcription of its formulas.

python -m benchmarks.representation_flow [--repeats 5]

40 iterations of TV-L1: one clip of 16 frames of 112 px, as networks are timed and deployed, and a
batch of 16 clips of 8 frames of 64 px, as a search trains them. Times are medians of the wall time;
layer and transcription take turns, and must agree to 1e-5 of the largest flow. Beside them is the
exported layer in ONNX Runtime.

Prediction: an iteration of the transcription reads and writes 240 numbers per pixel, one of the
layer 95, which makes it 2.5 times as fast. More is gained by where these numbers are: the fields of
the transcription are as large as the batch, those of the layer are allocated once and stay in a
core's cache from one iteration to the next. An iteration of the transcription also calls 8
convolutions of a single channel.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.results import options, print_environment, print_table
from benchmarks.timing import Run, in_onnxruntime, in_turns, use_threads, wall_ms

if TYPE_CHECKING:
    from torch import Tensor

ITERATIONS = 40
CLIPS = ((1, 16, 112), (16, 8, 64))
THETA, LAMBDA, TAU, EPSILON = 0.3, 0.15, 0.25, 1e-12


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    use_threads(2)
    print_environment()
    import torch

    torch.manual_seed(0)
    rows = []
    for batch, frames, size_px in CLIPS:
        noise = torch.rand(batch, 3, frames, size_px, size_px)
        clip = torch.nn.functional.avg_pool3d(noise, (1, 5, 5), 1, (0, 2, 2))
        for threads in (1, 2):
            torch.set_num_threads(threads)
            plain_ms, layer_ms, onnx_ms = medians_ms(clip, threads, repeats)
            times = (f"{value:.1f}" for value in (plain_ms, layer_ms, plain_ms / layer_ms, onnx_ms))
            rows.append((f"{batch} clips, {frames} x {size_px} px, {threads} threads", *times))
    columns = ("transcription ms", "layer ms", "times as fast", "ONNX Runtime ms")
    print_table(("clips", *columns), rows)


def medians_ms(clip: Tensor, threads: int, repeats: int) -> list[float]:
    """Return the times of the transcription, the layer, and the layer in ONNX Runtime."""
    import torch

    from vidnas.core import ClipSpec
    from vidnas.layers.representation_flow import RepresentationFlow
    from vidnas.profiling.onnx import export_onnx

    layer = RepresentationFlow(ITERATIONS).eval()
    spec = ClipSpec(
        modality="rgb", frames=clip.shape[2], frame_stride=1, size_px=int(clip.shape[3])
    )
    exported = in_onnxruntime(export_onnx(layer, [spec]), {"rgb": clip.numpy()}, threads)
    with torch.inference_mode():
        expected = transcription(clip)
        assert (layer(clip) - expected).abs().max() <= 1e-5 * expected.abs().max()
        runs: dict[str, Run] = {
            "transcription": lambda: transcription(clip),
            "layer": lambda: layer(clip),
            "exported": exported,
        }
        samples = in_turns(runs, repeats, warmup=1, sample=wall_ms)
    return [statistics.median(found) for found in samples.values()]


def transcription(clip: Tensor) -> Tensor:
    """Compute the published formulas as they are written, each clip scaled by its own range."""
    import torch
    from torch.nn.functional import conv2d, pad

    def divergence(p_x: Tensor, p_y: Tensor) -> Tensor:
        p_x, p_y = pad(p_x[..., :-1], (1, 0)), pad(p_y[..., :-1, :], (0, 0, 1, 0))
        return conv2d(pad(p_x, (0, 1)), along_x) + conv2d(pad(p_y, (0, 0, 0, 1)), along_y)

    def forward_gradient(u: Tensor) -> tuple[Tensor, Tensor]:
        return conv2d(pad(u, (0, 1)), along_x), conv2d(pad(u, (0, 0, 0, 1)), along_y)

    def dual(p: Tensor, d: Tensor, u_x: Tensor, u_y: Tensor) -> Tensor:
        return (p + taut * d) / (1 + taut * torch.sqrt(u_x**2 + u_y**2 + EPSILON))

    x = clip.mean(1, keepdim=True)
    low, high = x.amin((1, 2, 3, 4), keepdim=True), x.amax((1, 2, 3, 4), keepdim=True)
    x = 255 * (x - low) / (high - low)
    first, second = x[:, 0, :-1].flatten(0, 1)[:, None], x[:, 0, 1:].flatten(0, 1)[:, None]
    central, forward = torch.tensor([-0.5, 0.0, 0.5]), torch.tensor([-1.0, 1.0])
    along_x, along_y = forward.view(1, 1, 1, 2), forward.view(1, 1, 2, 1)
    g_x = conv2d(second, central.view(1, 1, 1, 3), padding="same")
    g_y = conv2d(second, central.view(1, 1, 3, 1), padding="same")
    energy = g_x**2 + g_y**2 + EPSILON
    theta = THETA + EPSILON
    threshold, taut = LAMBDA * theta, TAU / theta
    zero = u1 = u2 = p11 = p12 = p21 = p22 = torch.zeros_like(first)
    for _ in range(ITERATIONS):
        rho = second - first + g_x * u1 + g_y * u2 + EPSILON
        below, above = rho < -threshold * energy, rho > threshold * energy
        within = ~below & ~above & (energy > EPSILON)
        v1, v2 = (
            u
            + torch.where(below, threshold * g, zero)
            + torch.where(above, -threshold * g, zero)
            + torch.where(within, -rho / energy * g, zero)
            for u, g in ((u1, g_x), (u2, g_y))
        )
        u1, u2 = v1 + theta * divergence(p11, p12), v2 + theta * divergence(p21, p22)
        (u1_x, u1_y), (u2_x, u2_y) = forward_gradient(u1), forward_gradient(u2)
        p11, p12 = dual(p11, u1_x, u1_x, u1_y), dual(p12, u1_y, u1_x, u1_y)
        p21, p22 = dual(p21, u2_x, u2_x, u2_y), dual(p22, u2_y, u2_x, u2_y)
    flow = torch.cat((u1, u2), 1).unflatten(0, (len(clip), -1))
    return torch.cat((flow, flow[:, -1:]), 1).flatten(0, 1)


if __name__ == "__main__":
    main()
