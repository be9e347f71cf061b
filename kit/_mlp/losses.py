"""Losses per row, and what the members say together.

Sources: beta-NLL (Seitzer et al. 2022), faithful (Stirn et al. 2023), CRPS (Gneiting and Raftery 2007), mixture of
members (Lakshminarayanan et al. 2017), Balanced MSE (Ren et al. 2022).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from kit._mlp.params import RegressionLoss
from kit.types import Objective

Variance = Literal["none", "joint", "detached", "constant"]

_VARIANCE: dict[RegressionLoss, Variance] = {"mse": "none", "faithful": "detached", "bmc": "constant"}


@dataclass(frozen=True)
class Loss:
    """Which loss: `name` of a regression; beta of beta_nll, mae_share of nll_mae, smoothing of the class labels."""

    objective: Objective
    name: RegressionLoss
    beta: float = 0.5
    smoothing: float = 0.0
    mae_share: float = 0.55

    @property
    def variance(self) -> Variance:
        """Where the variance comes from: nowhere, an output that shapes the trunk or only reads it, or one number."""
        if self.objective in ("logloss", "softmax"):
            return "none"
        if self.objective == "absolute":
            return "detached"
        return _VARIANCE.get(self.name, "joint")

    @property
    def tilts(self) -> bool:
        """Whether rows are tilted to another distribution of y."""
        return self.objective in ("squared", "gaussian") and self.name in ("balanced", "bmc")

    def __call__(self, out: Tensor, log_var: Tensor | None, y: Tensor, tilt: Tensor | None = None) -> Tensor:
        """Return (F, B) the loss of outputs (F, B, m) and log s2 (F, B) for y (F, B).

        `tilt` (F, B): log of a row's weight over the wanted density at its y.
        """
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
        if tilt is not None and self.tilts:
            return balanced(out[:, :, 0], log_var, y, tilt)
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
            return (1.0 - self.mae_share) * nll + self.mae_share * error.abs()
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


def balanced(mean: Tensor, log_var: Tensor, y: Tensor, tilt: Tensor) -> Tensor:
    """Return -log N(y_i; m_i, s2_i) + log mean_j exp(tilt_j) N(y_j; m_i, s2_i), j over the member's batch.

    The net says N(m, s2) of y under the wanted density q; learning rows come with density p. So their y given x has the
    density N p / q over its integral, which the batch estimates. Source: Ren et al., Balanced MSE for Imbalanced Visual
    Regression, CVPR 2022 (BMC: q uniform, one s2); here s2 may depend on x and q on y.
    """
    distance = (y[:, None, :] - mean[:, :, None]).square() * (-log_var)[:, :, None].exp()
    others = torch.logsumexp(tilt[:, None, :] - 0.5 * distance, dim=2) - math.log(y.shape[1])
    return gaussian_nll(y - mean, log_var) + others - 0.5 * log_var


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
