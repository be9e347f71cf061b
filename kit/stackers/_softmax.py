"""Softmax regression on log probabilities, by Newton's method over runs of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kit.stackers import _proba
from kit.stackers._gram import CHUNK
from kit.types import Floats, Floats32

HELD = 1e12
"""A pull that holds a number at its place."""


@dataclass(frozen=True)
class _Rows:
    """What is fitted: z (S, n, C), y (n,) as indices, share (n,) = v / sum v; pull and centre (S + C,)."""

    z: Floats32
    y: Floats
    share: Floats
    pull: Floats
    centre: Floats

    def chunks(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Yield the log probabilities (S, r, C), truth (r, C) as 0 and 1 and shares (r, 1) of runs of r rows."""
        n_sources, n, n_classes = self.z.shape
        size = max(1, CHUNK // (n_sources * n_classes))
        for a in range(0, n, size):
            true = self.y[a : a + size, None] == np.arange(n_classes)
            yield _proba.logs(self.z[:, a : a + size]), true.astype(np.float64), self.share[a : a + size, None]

    def problem(self, w: Floats) -> tuple[float, Floats, Floats]:
        """Return value, gradient and Hessian at w: the sources' weights, then the classes' constants."""
        s = len(self.z)
        away = w - self.centre
        value, slope, curve = float((self.pull * away**2).sum() / 2), self.pull * away, np.diag(self.pull)
        for logs, true, share in self.chunks():
            scores = np.tensordot(w[:s], logs, 1) + w[s:]
            p = _proba.softmax(scores)
            top = scores.max(axis=1)
            normal = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
            value += float((share[:, 0] * (normal - (scores * true).sum(axis=1))).sum())
            missed, weighed = share * (p - true), share * p
            slope[:s] += np.tensordot(logs, missed, 2)
            slope[s:] += missed.sum(axis=0)
            mean = (logs * p).sum(axis=2)
            flat = logs.reshape(s, -1)
            curve[:s, :s] += (flat * weighed.ravel()) @ flat.T - (mean * share[:, 0]) @ mean.T
            mixed = (logs * weighed).sum(axis=1) - mean @ weighed
            curve[:s, s:] += mixed
            curve[s:, :s] += mixed.T
            curve[s:, s:] += np.diag(weighed.sum(axis=0)) - p.T @ weighed
        return value, slope, curve


def fit_softmax(z: Floats32, y: Floats, v: Floats, l2: float, *, constants: bool = True) -> tuple[Floats, Floats]:
    """Return the w (S,) and c (C,) of least mean log loss of softmax(sum w_s log z_s + c), a pull added.

    The pull is l2 (|w - 1 / S|^2 + |c|^2) / 2n, n the effective number of rows. Without `constants` c is 0.

    Shape: z (S, n, C); y, v (n,).
    """
    n_sources, _, n_classes = z.shape
    strength = l2 / _proba.effective(v)
    pull = np.concatenate([np.full(n_sources, strength), np.full(n_classes, strength if constants else HELD)])
    centre = np.concatenate([np.full(n_sources, 1 / n_sources), np.zeros(n_classes)])
    w = _proba.newton(_Rows(z, y, v / v.sum(), pull, centre).problem, centre.copy())
    return w[:n_sources], w[n_sources:] if constants else np.zeros(n_classes)
