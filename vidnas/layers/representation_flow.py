"""Representation flow: optical flow by iterations of TV-L1, as a layer within a network.

Piergiovanni, Ryoo: Representation Flow for Action Recognition, CVPR 2019, arXiv 1810.01455.
Semantics of the published code, google-research/assemblenet/rep_flow_2d_layer.py.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Literal, NamedTuple, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

FlowNormalization = Literal["sample", "batch"]
"""What scales the brightness to 0..255: the range of the clip itself, or of the whole batch, as in
the published code, where a clip's flow depends on its batch mates."""

_Fields: TypeAlias = tuple[Tensor, Tensor, Tensor]
_Parts: TypeAlias = tuple[Tensor, ...]

_EPSILON = 1e-12
_SMALLEST_RANGE = 1e-6
_CHUNK_PIXELS = 2**16
_HELD = 26
"""Planes for each pair that is iterated: the fields, their zero padding and intermediate results.
Its flow takes two more, and the step sizes two for all pairs together."""
_X, _Y = -1, -2
_LEFT, _RIGHT, _ABOVE, _BELOW, _AFTER = (1, 0), (0, 1), (0, 0, 1, 0), (0, 0, 0, 1), (0, 1, 0, 1)
"""Where `F.pad` adds zeros."""


class RepresentationFlow(nn.Module):
    """Optical flow between consecutive frames, in float32 also under autocast.

    Args:
        iterations: how many of TV-L1.
        normalization: what scales the brightness.
        learned: make parameters of the kernels, theta, lambda and tau; otherwise they are buffers,
            and nothing is differentiated unless the clip asks for it.
    """

    image_gradient_x: Tensor
    image_gradient_y: Tensor
    divergence_x: Tensor
    divergence_y: Tensor
    flow_gradient_x: Tensor
    flow_gradient_y: Tensor
    theta: Tensor
    lambda_: Tensor
    tau: Tensor

    def __init__(
        self,
        iterations: int = 40,
        normalization: FlowNormalization = "sample",
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.iterations, self.normalization, self.learned = iterations, normalization, learned
        for axis, shape in (("x", (1, 1, 1, -1)), ("y", (1, 1, -1, 1))):
            self._add(f"image_gradient_{axis}", torch.tensor([-0.5, 0.0, 0.5]).view(shape))
            self._add(f"divergence_{axis}", torch.tensor([-1.0, 1.0]).view(shape))
            self._add(f"flow_gradient_{axis}", torch.tensor([-1.0, 1.0]).view(shape))
        self._add("theta", torch.tensor(0.3))
        self._add("lambda_", torch.tensor(0.15))
        self._add("tau", torch.tensor(0.25))
        self._differences: dict[tuple[int, int], bool] = {}
        """Which kernels are [-1, 1], as they were at some version."""

    def _add(self, name: str, value: Tensor) -> None:
        if self.learned:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    @property
    def constants(self) -> dict[str, Tensor]:
        """Kernels `(1, 1, h, w)` and scalars by their names in the published code."""
        return {
            "img_grad_x": self.image_gradient_x,
            "img_grad_y": self.image_gradient_y,
            "f_grad_x": self.divergence_x,
            "f_grad_y": self.divergence_y,
            "f_grad_x2": self.flow_gradient_x,
            "f_grad_y2": self.flow_gradient_y,
            "theta": self.theta,
            "lambda": self.lambda_,
            "tau": self.tau,
        }

    def forward(self, clip: Tensor) -> Tensor:
        """`(N, C, T, H, W)` to the flow (u, v) of the mean channel, `(N * T, 2, H, W)`.

        The last frame has the flow of the one before it; a single frame has none.
        """
        # Not `mean`: where channels are last in memory, it would reduce rows of three.
        grey = reduce(torch.add, clip.unbind(1)) / clip.shape[1]  # (N, T, H, W)
        frames, height, width = (int(size) for size in grey.shape[1:])
        if frames > 1 and clip.is_meta:  # what is not computed there would be held at once
            clip.new_empty(_planes(len(grey) * (frames - 1), height * width), height, width)
        if frames == 1 or clip.is_meta:  # on the meta device only shapes are asked for
            return clip.new_zeros(len(grey) * frames, height, width, 2).permute(0, 3, 1, 2)
        wanted = torch.is_grad_enabled() and (self.learned or clip.requires_grad)
        differentiable = wanted and not torch.onnx.is_in_onnx_export()
        in_float32 = torch.autocast(clip.device.type, enabled=False)
        with torch.set_grad_enabled(differentiable), in_float32:
            grey = self._normalize(grey.float())
            first = grey[:, :-1].reshape(-1, height, width)
            second = grey[:, 1:].reshape(-1, height, width)
            flow = self._solve(first, second).permute(1, 2, 3, 0)  # (N * (T - 1), H, W, 2)
            flow = flow.reshape(-1, frames - 1, height, width, 2)
            flow = torch.cat((flow, flow[:, -1:]), 1)  # (N, T, H, W, 2)
            return flow.reshape(-1, height, width, 2).permute(0, 3, 1, 2)

    def _normalize(self, grey: Tensor) -> Tensor:
        axes = (1, 2, 3) if self.normalization == "sample" else (0, 1, 2, 3)
        low, high = grey.amin(axes, keepdim=True), grey.amax(axes, keepdim=True)
        return 255 * (grey - low) / (high - low).clamp(min=_SMALLEST_RANGE)

    def _solve(self, first: Tensor, second: Tensor) -> Tensor:
        """The flow of pairs of frames, `(P, H, W)` each, as `(2, P, H, W)`."""
        if torch.is_grad_enabled() or torch.onnx.is_in_onnx_export():
            return self._iterate(first, second, reuse=False)
        pairs = len(first)
        if first.device.type == "cpu":
            pairs = _at_once(pairs, first[0].numel())
        chunks = zip(torch.split(first, pairs), torch.split(second, pairs), strict=True)
        return torch.cat([self._iterate(*chunk, reuse=True) for chunk in chunks], 1)

    def _iterate(self, first: Tensor, second: Tensor, *, reuse: bool) -> Tensor:
        """Solve a chunk; `reuse` the memory of each iteration, where nothing is differentiated."""
        theta = self.theta.abs() + _EPSILON
        rate, bound = self.tau / theta, self.tau * self.lambda_
        beside = _parts(F.pad(second, (1, 1)), _X, 3)
        below = _parts(F.pad(second, (0, 0, 1, 1)), _Y, 3)
        slope_x = _correlate(beside, self.image_gradient_x.flatten())
        slope_y = _correlate(below, self.image_gradient_y.flatten())
        slope = torch.stack((slope_x, slope_y))
        energy = bound * (slope_x**2 + slope_y**2 + _EPSILON)
        images = rate * (second - first) / energy, slope / energy, -bound * slope
        tau = self.tau.expand(first.shape[1:])
        step = _Step(
            divergence_x=self._taps(self.divergence_x),
            divergence_y=self._taps(self.divergence_y),
            gradient_x=self._taps(self.flow_gradient_x),
            gradient_y=self._taps(self.flow_gradient_y),
            tau_x=F.pad(tau[:, 1:], (0, 1)),
            tau_y=F.pad(tau[1:], (0, 0, 0, 1)),
            epsilon=rate**2 * _EPSILON,
            out=_Memory.like(slope) if reuse else _Memory(),
        )
        u = q_x = q_y = torch.zeros_like(slope)
        if torch.onnx.is_in_onnx_export():
            u = _loop(step.advance, self.iterations, u, images)
        else:
            for _ in range(self.iterations):
                u, q_x, q_y = step.advance(u, q_x, q_y, images)
        return u / rate

    def _taps(self, kernel: Tensor) -> Tensor | None:
        if not self.learned and self._is_difference(kernel):
            return None
        taps = kernel.flatten()
        # Views of parameters require gradients even where none are computed; traces reject them.
        return taps if torch.is_grad_enabled() else taps.detach()

    def _is_difference(self, kernel: Tensor) -> bool:
        """Whether the kernel is [-1, 1]; its numbers are read once, as a GPU is waited for."""
        if torch.compiler.is_compiling():  # its stand-ins for tensors have no history
            return bool(kernel.flatten().tolist() == [-1, 1])
        state = id(kernel), kernel._version
        if state not in self._differences:
            self._differences[state] = kernel.flatten().tolist() == [-1, 1]
        return self._differences[state]


def _at_once(pairs: int, pixels: int) -> int:
    """How many pairs the CPU solves together: the fields of few stay in its cache from one
    iteration to the next."""
    return max(min(_CHUNK_PIXELS // pixels, pairs), 1)


def _planes(pairs: int, pixels: int) -> int:
    """How many planes of so many pixels the CPU holds when it holds most: while it iterates, or
    puts the flow of all pairs together."""
    return max(_HELD * _at_once(pairs, pixels) + 2 * pairs + 2, 4 * pairs)


class _Memory(NamedTuple):
    """Where an iteration writes its results; None is fresh memory every time."""

    u: Tensor | None = None
    q_x: Tensor | None = None
    q_y: Tensor | None = None
    beside_u: _Parts | None = None
    below_u: _Parts | None = None
    beside_x: _Parts | None = None
    below_y: _Parts | None = None
    """What to take differences of, with zeros where there are no neighbours."""
    rho: Tensor | None = None
    a: Tensor | None = None
    b: Tensor | None = None
    c: Tensor | None = None
    """What is in between."""

    @classmethod
    def like(cls, field: Tensor) -> Self:
        """Memory for fields `(2, P, H, W)`."""
        zeros = torch.zeros_like(field)
        wide_u, wide_x, wide_y = F.pad(zeros, _AFTER), F.pad(zeros, _LEFT), F.pad(zeros, _ABOVE)
        a, b, c = (torch.empty_like(field) for _ in range(3))
        return cls(
            u=wide_u[..., :-1, :-1],
            q_x=wide_x[..., 1:],
            q_y=wide_y[..., 1:, :],
            beside_u=_parts(wide_u[..., :-1, :], _X),
            below_u=_parts(wide_u[..., :-1], _Y),
            beside_x=_parts(wide_x, _X),
            below_y=_parts(wide_y, _Y),
            rho=torch.empty_like(field[0]),
            a=a,
            b=b,
            c=c,
        )


@dataclass(frozen=True)
class _Step:
    """One iteration, in units that take the constants out of it.

    u is the flow times `tau / theta`, q the dual field p times `tau`, and the three cases of the
    thresholding are one clamp. Kernels are two taps; None is [-1, 1].
    """

    divergence_x: Tensor | None
    divergence_y: Tensor | None
    gradient_x: Tensor | None
    gradient_y: Tensor | None
    tau_x: Tensor
    tau_y: Tensor
    """`(H, W)`, zero in the last column or row, which the divergence leaves out."""
    epsilon: Tensor
    out: _Memory

    def advance(self, u: Tensor, q_x: Tensor, q_y: Tensor, images: _Fields) -> _Fields:
        """From u, q_x and q_y, `(2, P, H, W)` each, to the next.

        `images` tells the residual of the brightness, in units of the threshold, as a constant and
        a slope along u, and the step that one such unit is worth.
        """
        out, (rest, along, descent) = self.out, images
        rho = torch.addcmul(rest, along[0], u[0], out=out.rho)
        rho = torch.addcmul(rho, along[1], u[1], out=out.rho)
        v = torch.addcmul(u, descent, torch.clamp(rho, -1, 1, out=out.rho), out=out.a)

        beside = out.beside_x or _parts(F.pad(q_x, _LEFT), _X)
        v = torch.add(v, _correlate(beside, self.divergence_x, out=out.b), out=out.a)
        below = out.below_y or _parts(F.pad(q_y, _ABOVE), _Y)
        u = torch.add(v, _correlate(below, self.divergence_y, out=out.b), out=out.u)

        beside = out.beside_u or _parts(F.pad(u, _RIGHT), _X)
        u_x = _correlate(beside, self.gradient_x, out=out.a)
        below = out.below_u or _parts(F.pad(u, _BELOW), _Y)
        u_y = _correlate(below, self.gradient_y, out=out.b)
        norm = torch.addcmul(self.epsilon, u_x, u_x, out=out.c)
        norm = torch.addcmul(norm, u_y, u_y, out=out.c)
        norm = torch.add(torch.sqrt(norm, out=out.c), 1, out=out.c)
        q_x = torch.div(torch.addcmul(q_x, self.tau_x, u_x, out=out.a), norm, out=out.q_x)
        q_y = torch.div(torch.addcmul(q_y, self.tau_y, u_y, out=out.b), norm, out=out.q_y)
        return u, q_x, q_y


def _parts(x: Tensor, axis: int, count: int = 2) -> _Parts:
    """What the taps of a kernel see: all but the last of an axis, ..., all but the first."""
    size = int(x.shape[axis]) - count + 1
    return tuple(x.narrow(axis, start, size) for start in range(count))


def _correlate(parts: _Parts, taps: Tensor | None, out: Tensor | None = None) -> Tensor:
    """Weigh what the taps see and add it up; no taps are [-1, 1], for which `out` is used."""
    if taps is None:
        return torch.sub(parts[1], parts[0], out=out)
    return reduce(torch.add, map(torch.mul, taps, parts))


def _loop(
    step: Callable[[Tensor, Tensor, Tensor, _Fields], _Fields],
    iterations: int,
    start: Tensor,
    images: _Fields,
) -> Tensor:
    """Repeat a step as one `Loop` of the exported graph, not as a copy per iteration."""
    inputs = start, start, start, images
    with ThreadPoolExecutor(1) as other:  # traces do not nest, but every thread has its own
        traced = other.submit(torch.jit.trace, step, inputs, check_trace=False).result()

    def repeat(n: int, u: Tensor, images: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        x, y = u, u
        for _ in range(n):
            u, x, y = traced(u, x, y, images)
        return u

    u: Tensor = torch.jit.script(repeat)(iterations, start, images)
    return u
