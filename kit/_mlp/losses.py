"""Losses per row, and what the members say together.

Sources: beta-NLL (Seitzer et al. 2022), faithful (Stirn et al. 2023), CRPS (Gneiting and Raftery 2007), mixture of
members (Lakshminarayanan et al. 2017).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from kit.types import Objective

RegressionLoss = Literal["mse", "nll", "beta_nll", "crps", "nll_mae", "faithful"]
NLL_SHARE = 0.45
"""Of `nll_mae`; the rest is the absolute error."""


@dataclass(frozen=True)
class Loss:
    """Which loss: `name` of a regression, `beta` of beta_nll, `smoothing` of the class labels."""

    objective: Objective
    name: RegressionLoss
    beta: float
    smoothing: float

    @property
    def variance(self) -> Literal["none", "joint", "detached"]:
        """What the variance head may do to the trunk."""
        if self.objective in ("logloss", "softmax"):
            return "none"
        if self.objective == "absolute" or self.name == "faithful":
            return "detached"
        return "none" if self.name == "mse" else "joint"

    def __call__(self, out: Tensor, log_var: Tensor | None, y: Tensor) -> Tensor:
        """Return (F, B) the loss of outputs (F, B, m) and log s2 (F, B) for y (F, B)."""
        if self.objective == "logloss":
            return binary_cross_entropy_with_logits(out[:, :, 0], self._smooth(y), reduction="none")
        if self.objective == "softmax":
            flat = cross_entropy(
                out.flatten(0, 1), y.flatten().long(), reduction="none", label_smoothing=self.smoothing
            )
            return flat.view(y.shape)
        error = y - out[:, :, 0]
        if log_var is None:
            return 0.5 * error.square()
        if self.objective == "absolute":
            return error.abs() + laplace_nll(error.detach(), log_var)
        return self._gaussian(error, log_var)

    def _smooth(self, y: Tensor) -> Tensor:
        return y * (1.0 - self.smoothing) + 0.5 * self.smoothing

    def _gaussian(self, error: Tensor, log_var: Tensor) -> Tensor:
        if self.name == "crps":
            return crps(error, log_var)
        if self.name == "faithful":
            return 0.5 * error.square() + gaussian_nll(error.detach(), log_var)
        nll = gaussian_nll(error, log_var)
        if self.name == "beta_nll":
            return (self.beta * log_var.detach()).exp() * nll
        if self.name == "nll_mae":
            return NLL_SHARE * nll + (1.0 - NLL_SHARE) * error.abs()
        return nll


def gaussian_nll(error: Tensor, log_var: Tensor) -> Tensor:
    """Return 0.5 (log s2 + r2 / s2), the constant dropped."""
    return 0.5 * (log_var + error.square() * (-log_var).exp())


def laplace_nll(error: Tensor, log_var: Tensor) -> Tensor:
    """Return log b + |r| / b for the Laplace of variance s2 = 2 b2, constants dropped."""
    return 0.5 * log_var + error.abs() * (-0.5 * log_var).exp() * math.sqrt(2.0)


def crps(error: Tensor, log_var: Tensor) -> Tensor:
    """Return the continuous ranked probability score of the Gaussian."""
    sd = (0.5 * log_var).exp()
    z = error / sd
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2.0 * math.pi)
    return sd * (z * torch.erf(z / math.sqrt(2.0)) + 2.0 * density - 1.0 / math.sqrt(math.pi))


def combine(objective: Objective, out: Tensor, log_var: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return mean (B, m) and variance (B,) or None of the members' mixture, from out (F, B, m), log_var (F, B)."""
    if objective == "logloss":
        return torch.sigmoid(out).mean(dim=0), None
    if objective == "softmax":
        return torch.softmax(out, dim=2).mean(dim=0), None
    mean = out.mean(dim=0)
    if log_var is None:
        return mean, None
    return mean, log_var.exp().mean(dim=0) + (out[:, :, 0] - mean[:, 0]).square().mean(dim=0)


def stop_score(
    objective: Objective, unit: float, said: tuple[Tensor, Tensor | None], truth: tuple[Tensor, Tensor]
) -> float:
    """Return what the objective measures of the mixture (mean, variance), not what the net is trained on.

    Logarithmic loss, mean absolute error, Gaussian NLL (constant dropped) or root mean squared error; `truth` is
    (y, v), y standardised by `unit`.
    """
    (mean, variance), (y, v) = said, truth
    if objective in ("logloss", "softmax"):
        p = torch.cat([1.0 - mean, mean], dim=1) if objective == "logloss" else mean
        return _average(-p.gather(1, y.long()[:, None])[:, 0].clamp_min(1e-7).log(), v)
    error = y - mean[:, 0]
    if objective == "absolute":
        return _average(error.abs(), v) * unit
    if objective == "gaussian" and variance is not None:
        return _average(gaussian_nll(error, variance.log()), v) + math.log(unit or 1.0)
    return math.sqrt(_average(error.square(), v)) * unit


def _average(rows: Tensor, v: Tensor) -> float:
    return float((rows.double() * v).sum() / v.sum())
