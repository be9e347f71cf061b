"""Trains the stacked net: index batches, one optimiser, the best epoch kept.

Source: RealMLP (Holzmueller et al. 2024) for coslog4, flat_cos and the learning-rate factors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from kit._mlp import params
from kit._mlp.losses import Loss, combine, stop_score
from kit._mlp.net import Layout, Weights, forward
from kit._mlp.ops import Dropper
from kit.contracts import Watch
from kit.types import Objective

CHUNK = 2048
"""Rows per step of a prediction."""

_FACTORS = {"scale": 6.0, "number": 0.1, "act": 0.1}
"""Learning-rate factors of the NTK parametrisation by the first letters of a parameter's name."""

_BIAS_FACTOR = 0.1


@dataclass(frozen=True)
class Batchable:
    """Rows on the device: x (n, p) float32, codes (n, c) int64, y (n,) float32, weights w (n,) and, where the loss
    tilts rows to another distribution of y, tilt (n,) float32."""

    x: Tensor
    codes: Tensor
    y: Tensor
    w: Tensor
    tilt: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train; the schedules end at epoch `horizon`, training at `epochs`."""

    horizon: int
    epochs: int
    batch: int
    lr: float
    course: params.Schedule
    variance_lr: float
    decay: float
    dropout: float
    anneal: bool
    beta2: float
    clip: float
    patience: int | None
    precision: Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Job:
    """All that a training is given but its start weights and its randomness.

    `stop` fills the curve; `choose`: the best epoch on it is kept, else the last. `unit`: y per standardised y.
    """

    layout: Layout
    loss: Loss
    plan: Schedule
    rows: Batchable
    stop: Batchable | None
    choose: bool
    unit: float


@dataclass(frozen=True)
class Outcome:
    """The weights to predict with, the epoch they are from, and the stop score after each epoch."""

    weights: Weights
    best_step: int
    curve: tuple[float, ...]


def auto_batch(rows: int) -> int:
    """Return the batch size for that many learning rows (RealMLP's rule)."""
    for limit, size in ((1024, 64), (8192, 128), (30_000, 256), (100_000, 512)):
        if rows <= limit:
            return size
    return 1024


def coslog4(t: float) -> float:
    """Return the lr factor at progress t in [0, 1]: four cosine cycles, each twice as long as the one before."""
    return 0.5 * (1.0 - math.cos(2.0 * math.pi * math.log2(1.0 + 15.0 * min(t, 1.0))))


def one_cycle(t: float, rise: float = 0.3) -> float:
    """Return the lr factor at progress t: half a cosine up over `rise` of the way, half a cosine down to 0."""
    t = min(t, 1.0)
    return (
        0.5 * (1.0 - math.cos(math.pi * t / rise))
        if t < rise
        else 0.5 * (1.0 + math.cos(math.pi * (t - rise) / (1 - rise)))
    )


COURSES: Mapping[params.Schedule, Callable[[float], float]] = {
    "coslog4": coslog4,
    "one_cycle": one_cycle,
    "cosine": lambda t: one_cycle(t, 0.05),
    "constant": lambda t: 1.0,
}


def flat_cos(t: float) -> float:
    """Return the factor of dropout and weight decay at progress t: 1 for the first half, then a cosine down to 0."""
    return 1.0 if t < 0.5 else 0.5 * (1.0 + math.cos(math.pi * (2.0 * min(t, 1.0) - 1.0)))


def train(job: Job, weights: Weights, rng: torch.Generator, watch: Watch) -> Outcome:
    """Return the outcome of training `weights`, which are changed in place."""
    optimiser = _optimiser(weights, job)
    kept, best_step, best_score, curve = weights, 0, math.inf, []
    for epoch in range(1, job.plan.epochs + 1):
        _epoch(job, weights, optimiser, epoch, rng)
        score = math.nan if job.stop is None else evaluate(job, weights, job.stop)
        if job.stop is not None:
            curve.append(score)
        if not job.choose:
            best_step = epoch
        elif score <= best_score:
            best_step, best_score = epoch, score
            kept = {name: value.detach().clone() for name, value in weights.items()}
        late = job.choose and job.plan.patience is not None and epoch - best_step >= job.plan.patience
        if watch(epoch, score) or late:
            break
    return Outcome({name: value.detach() for name, value in kept.items()}, best_step, tuple(curve))


def _epoch(job: Job, weights: Weights, optimiser: torch.optim.Optimizer, epoch: int, rng: torch.Generator) -> None:
    """Train one epoch: every member sees nearly all rows once, in its own order, in batches of one size."""
    rows, plan = job.rows, job.plan
    steps = max(1, round(len(rows) / plan.batch))
    fading = flat_cos((epoch - 0.5) / plan.horizon) if plan.anneal else 1.0
    drop = Dropper(plan.dropout * fading, rng)
    half = torch.autocast(rows.x.device.type, torch.bfloat16, enabled=plan.precision == "bfloat16")
    for step, picked in enumerate(_batches(len(rows), steps, job.layout.members, rng)):
        _schedule(optimiser, plan, (epoch - 1 + step / steps) / plan.horizon, fading)
        with half:
            out, log_var = forward(weights, job.layout, rows.x[picked], rows.codes[picked], drop)
        losses = job.loss(out, log_var, rows.y[picked], None if rows.tilt is None else rows.tilt[picked])
        (losses * rows.w[picked]).mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
        if plan.clip:
            _clip(weights, plan.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def _batches(n: int, steps: int, members: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield `steps` times (F, n // steps) row positions; the few rows left over differ from epoch to epoch."""
    size = n // steps
    order = torch.stack([torch.randperm(n, generator=rng, device=rng.device) for _ in range(members)])
    for step in range(steps):
        yield order[:, step * size : (step + 1) * size]


def _clip(weights: Weights, limit: float) -> None:
    """Shorten the gradient of each member to `limit`."""
    grads = [w.grad for w in weights.values() if w.grad is not None]
    length = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in grads]), dim=0
    )
    factor = (limit / (length + 1e-6)).clamp_max(1.0)
    for g in grads:
        g.mul_(factor.view(-1, *[1] * (g.dim() - 1)))


def _optimiser(weights: Weights, job: Job) -> torch.optim.Optimizer:
    """Return AdamW with one group per (lr factor, decays or not).

    Under the NTK parametrisation biases and activations learn slowly and do not decay; else all is treated alike.
    """
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, value in weights.items():
        head, _, kind = name.partition(".")
        factor, decays = 1.0, True
        if job.layout.ntk:
            factor = next((f for start, f in _FACTORS.items() if head.startswith(start)), 1.0)
            factor *= _BIAS_FACTOR if kind == "b" and (head != "var" or job.layout.variance != "constant") else 1.0
            decays = not (kind.startswith("b") or head.startswith(("act", "norm")))
        factor *= job.plan.variance_lr if head == "var" else 1.0
        groups.setdefault((factor, decays), []).append(value.requires_grad_())
    listed = [{"params": p, "factor": f, "decays": d} for (f, d), p in groups.items()]
    return torch.optim.AdamW(listed, betas=(0.9, job.plan.beta2), eps=1e-8, fused=True)


def _schedule(optimiser: torch.optim.Optimizer, plan: Schedule, t: float, fading: float) -> None:
    lr = plan.lr * COURSES[plan.course](t)
    for group in optimiser.param_groups:
        group["lr"] = lr * group["factor"]
        group["weight_decay"] = plan.decay * fading if group["decays"] else 0.0


def evaluate(job: Job, weights: Weights, rows: Batchable) -> float:
    """Return what the objective measures of the members' mixture on `rows`, in units of y; where the loss tilts rows to
    another distribution of y the loss itself, which alone is right for rows of this one."""
    if job.loss.tilts and rows.tilt is not None:
        return _tilted(job, weights, rows, rows.tilt)
    mean, variance = predict(job.loss.objective, weights, job.layout, rows.x, rows.codes)
    return stop_score(job.loss.objective, job.unit, (mean, variance), (rows.y, rows.w))


def _tilted(job: Job, weights: Weights, rows: Batchable, tilt: Tensor) -> float:
    """Return the weighted mean of the loss, chunk by chunk."""
    total, members = 0.0, job.layout.members
    with torch.inference_mode():
        for at in range(0, len(rows), CHUNK):
            parts = [each[at : at + CHUNK] for each in (rows.x, rows.codes, rows.y, tilt, rows.w)]
            x, codes, y, tilts, w = (part.expand(members, *part.shape) for part in parts)
            losses = job.loss(*forward(weights, job.layout, x, codes), y, tilts)
            total += float((losses * w).mean(dim=0).double().sum())
    return total / float(rows.w.double().sum())


def predict(
    objective: Objective, weights: Weights, layout: Layout, x: Tensor, codes: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return mean (n, m) and variance (n,) or None of the members' mixture on the standardised scale."""
    means, variances = [], []
    with torch.inference_mode():
        for at in range(0, len(x), CHUNK):
            part, code = (each[at : at + CHUNK].expand(layout.members, -1, -1) for each in (x, codes))
            out, log_var = forward(weights, layout, part, code)
            mean, variance = combine(objective, out, log_var)
            means.append(mean)
            variances.append(variance)
    known = [v for v in variances if v is not None]
    return torch.cat(means), torch.cat(known) if known else None
