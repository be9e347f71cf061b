"""Trains a text model: AdamW, lower layers more slowly, the rate up and down in a line, the best epoch kept.

Sources: layer-wise rates, Howard and Ruder, ACL 2018 (arXiv 1801.06146); warm-up and linear decay, Devlin et al. 2019
(arXiv 1810.04805).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from kit._finetune.body import Net, depths
from kit._finetune.rows import Encoded, filled_up, shuffled
from kit._mlp.losses import Loss, combine, stop_score
from kit._mlp.train import Outcome
from kit.contracts import Watch
from kit.types import Floats, Objective

Precision = Literal["float32", "bfloat16"]

BUDGET = {"cpu": 512, "cuda": 32_768}
"""Tokens of a batch that is predicted."""


@dataclass(frozen=True)
class Labelled:
    """Rows with their y (n,) float32 as the loss takes it and weights w (n,), whose mean is 1."""

    texts: Encoded
    y: Tensor
    w: Tensor

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train; the rate is 0 at epoch `horizon`, training ends at `epochs`."""

    horizon: int
    epochs: int
    batch: int
    lr: float
    head_lr: float
    layer_decay: float
    decay: float
    warmup: float
    clip: float
    frozen: int
    inner_dropout: bool
    patience: int | None
    precision: Precision
    device: str


@dataclass(frozen=True)
class Job:
    """All that a training is given but the net and its randomness. `choose`: keep the best epoch on `stop`, else the
    last. `unit`: y per standardised y."""

    plan: Plan
    loss: Loss
    rows: Labelled
    stop: Labelled | None
    choose: bool
    unit: float


def train(job: Job, net: Net, rng: np.random.Generator, watch: Watch) -> Outcome:
    """Return the outcome of training `net`, which is changed in place; torch's own generator is to be seeded."""
    plan, optimiser = job.plan, _optimiser(net, job.plan)
    kept, best_step, best_score, curve = net.state_dict(), 0, math.inf, []
    for epoch in range(1, plan.epochs + 1):
        _epoch(job, net, optimiser, epoch, rng)
        score = math.nan if job.stop is None else evaluate(job, net, job.stop)
        if job.stop is not None:
            curve.append(score)
        if not job.choose:
            best_step = epoch
        elif score <= best_score:
            best_step, best_score = epoch, score
            if epoch < plan.epochs:
                kept = {name: value.detach().clone() for name, value in net.state_dict().items()}
            else:
                kept = net.state_dict()
        late = job.choose and plan.patience is not None and epoch - best_step >= plan.patience
        if watch(epoch, score) or late:
            break
    return Outcome(kept, best_step, tuple(curve))


def _epoch(job: Job, net: Net, optimiser: torch.optim.Optimizer, epoch: int, rng: np.random.Generator) -> None:
    plan, rows = job.plan, job.rows
    net.train()
    if not plan.inner_dropout:
        net.body.eval()
    trained = [p for p in net.parameters() if p.requires_grad]
    batches = list(shuffled(rows.texts.length, plan.batch, rng))
    for step, picked in enumerate(batches):
        factor = rate((epoch - 1 + step / len(batches)) / plan.horizon, plan.warmup)
        for group in optimiser.param_groups:
            group["lr"] = group["highest"] * factor
        texts = rows.texts.take(picked, int(rows.texts.length[picked].max()), plan.device)
        at = torch.from_numpy(picked).to(plan.device)
        with _half(plan):
            out, log_var = net(texts)
        log_var = None if log_var is None else log_var.float()[None]
        losses = job.loss(out.float()[None], log_var, rows.y[at][None])
        (losses[0] * rows.w[at]).mean().backward()  # type: ignore[no-untyped-call]
        if plan.clip:
            nn.utils.clip_grad_norm_(trained, plan.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)


def rate(t: float, warmup: float) -> float:
    """Return the learning rate's factor at progress t in [0, 1]: up in a line over `warmup` of the way, down in a line.

    >>> rate(0.05, 0.1), rate(0.1, 0.1), rate(1.0, 0.1)
    (0.5, 1.0, 0.0)
    """
    if t < warmup:
        return t / warmup
    return max(1.0 - t, 0.0) / (1.0 - warmup)


def usual_lr(width: int) -> float:
    """Return the learning rate that suits a text model of that width: 5e-5 at 768, and by the inverse square, to 5e-4.

    >>> usual_lr(384), usual_lr(768), usual_lr(64)
    (0.0002, 5e-05, 0.0005)
    """
    return min(5e-5 * (768 / width) ** 2, 5e-4)


def evaluate(job: Job, net: Net, rows: Labelled) -> float:
    """Return what the objective measures of the net on `rows`, in units of y."""
    mean, variance = predict(job.loss.objective, net, rows.texts, job.plan.device, job.plan.precision)
    return stop_score(job.loss.objective, job.unit, (mean, variance), (rows.y.cpu(), rows.w.cpu()))


def predict(
    objective: Objective, net: Net, texts: Encoded, device: str, precision: Precision
) -> tuple[Tensor, Tensor | None]:
    """Return mean (n, m) and variance (n,) or None on the standardised scale, on the host."""
    net.eval()
    mean = torch.zeros((len(texts), net.shape.outputs))
    variance = None if net.shape.variance == "none" else torch.zeros(len(texts))
    half = torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16")
    with torch.inference_mode():
        for tokens, rows, count in filled_up(texts.length, texts.ids.shape[1], BUDGET[device]):
            with half:
                out, log_var = net(texts.take(rows, tokens, device))
            said, spread = combine(objective, out.float()[None], None if log_var is None else log_var.float()[None])
            mean[rows[:count]] = said[:count].cpu()
            if variance is not None and spread is not None:
                variance[rows[:count]] = spread[:count].cpu()
    return mean, variance


def weighed(texts: Encoded, y: Floats, w: Floats, device: str) -> Labelled:
    """Return rows with y and weights on the device."""
    tensors = (torch.from_numpy(np.asarray(a, np.float32)).to(device) for a in (y, w / w.mean()))
    return Labelled(texts, *tensors)


def _half(plan: Plan) -> torch.autocast:
    return torch.autocast(plan.device, torch.bfloat16, enabled=plan.precision == "bfloat16")


def _optimiser(net: Net, plan: Plan) -> torch.optim.Optimizer:
    """Return AdamW: one group per rate and whether it decays; the frozen lowest layers are in none."""
    depth, top = depths(net)
    groups: dict[tuple[float, bool], list[Tensor]] = {}
    for name, value in net.named_parameters():
        below = depth.get(name.removeprefix("body."), None) if name.startswith("body.") else None
        if below is not None and below < plan.frozen:
            value.requires_grad_(False)
            continue
        lr = plan.head_lr if below is None else plan.lr * plan.layer_decay ** (top - below)
        groups.setdefault((lr, value.dim() > 1), []).append(value)
    listed = [
        {"params": p, "highest": lr, "lr": lr, "weight_decay": plan.decay if d else 0.0}
        for (lr, d), p in groups.items()
    ]
    return torch.optim.AdamW(listed, betas=(0.9, 0.999), eps=1e-6, fused=True)
