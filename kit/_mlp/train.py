"""Trains the stacked net: index batches, one optimiser, the schedules of RealMLP, the best epoch kept.

Source: RealMLP (Holzmueller et al. 2024) for the schedules and learning-rate factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from kit._mlp.losses import Loss, combine, stop_score
from kit._mlp.net import Layout, Weights, forward
from kit.contracts import Watch
from kit.types import Objective

CHUNK = 2048
"""Rows per step of a prediction."""

_FACTORS = {"scale": 6.0, "number": 0.1, "act": 0.1}
"""Learning-rate factors by the first word of a parameter's name."""

_BIAS_FACTOR = 0.1


@dataclass(frozen=True)
class Batchable:
    """Rows on the device: x (n, p) float32, codes (n, c) int64, y (n,) float32, weights w (n,) float32."""

    x: Tensor
    codes: Tensor
    y: Tensor
    w: Tensor

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train; the schedules end at epoch `horizon`, training at `epochs`."""

    horizon: int
    epochs: int
    batch: int
    lr: float
    variance_lr: float
    decay: float
    dropout: float
    patience: int | None


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


def flat_cos(t: float) -> float:
    """Return the factor of dropout and weight decay at progress t: 1 for the first half, then a cosine down to 0."""
    return 1.0 if t < 0.5 else 0.5 * (1.0 + math.cos(math.pi * (2.0 * min(t, 1.0) - 1.0)))


def train(job: Job, weights: Weights, rng: torch.Generator, watch: Watch) -> Outcome:
    """Return the outcome of training `weights`, which are changed in place."""
    optimiser = _optimiser(weights, job.plan)
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
    for step, picked in enumerate(_batches(len(rows), steps, job.layout.members, rng)):
        t = (epoch - 1 + step / steps) / plan.horizon
        _schedule(optimiser, plan, t)
        drop = partial(_dropped, threshold=round(256 * plan.dropout * flat_cos(t)), rng=rng)
        out, log_var = forward(weights, job.layout, rows.x[picked], rows.codes[picked], drop)
        losses = job.loss(out, log_var, rows.y[picked])
        (losses * rows.w[picked]).mean(dim=1).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def _batches(n: int, steps: int, members: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield `steps` times (F, n // steps) row positions; the few rows left over differ from epoch to epoch."""
    size = n // steps
    order = torch.stack([torch.randperm(n, generator=rng, device=rng.device) for _ in range(members)])
    for step in range(steps):
        yield order[:, step * size : (step + 1) * size]


def _dropped(h: Tensor, threshold: int, rng: torch.Generator) -> Tensor:
    """Return h with a share of threshold / 256 of its values zeroed and the others scaled up.

    One random 64-bit number serves eight values: 7 times cheaper than a Bernoulli draw each.
    """
    if threshold == 0:
        return h
    bits = torch.empty((h.numel() + 7) // 8, dtype=torch.int64, device=h.device)
    bits.random_(-(2**63), None, generator=rng)
    kept = bits.view(torch.uint8)[: h.numel()].view(h.shape) >= threshold
    return h * (kept * (256.0 / (256 - threshold)))


def _optimiser(weights: Weights, plan: Schedule) -> torch.optim.Optimizer:
    """Return AdamW with one group per (lr factor, decays or not); biases and activations do not decay."""
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, value in weights.items():
        head, _, kind = name.partition(".")
        factor = _FACTORS.get(head, 1.0) * (_BIAS_FACTOR if kind == "b" else 1.0)
        factor *= plan.variance_lr if head == "var" else 1.0
        decays = not (kind.startswith("b") or head.startswith("act"))
        groups.setdefault((factor, decays), []).append(value.requires_grad_())
    listed = [{"params": p, "factor": f, "decays": d} for (f, d), p in groups.items()]
    return torch.optim.AdamW(listed, betas=(0.9, 0.95), eps=1e-8, fused=True)


def _schedule(optimiser: torch.optim.Optimizer, plan: Schedule, t: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = plan.lr * group["factor"] * coslog4(t)
        group["weight_decay"] = plan.decay * flat_cos(t) if group["decays"] else 0.0


def evaluate(job: Job, weights: Weights, rows: Batchable) -> float:
    """Return the weighted loss of the members' mixture on `rows`, in units of y."""
    mean, variance = predict(job.loss.objective, weights, job.layout, rows.x, rows.codes)
    return stop_score(job.loss.objective, job.unit, (mean, variance), (rows.y, rows.w))


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
