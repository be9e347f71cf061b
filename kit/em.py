"""The shares that make what was seen most likely, by expectation and maximisation with smoothing between the steps.

Source: the EMS algorithm of Silverman, Jones, Wilson and Nychka, JRSS B 52(2), 1990.
"""

from __future__ import annotations

import numpy as np

from kit.types import Floats

STEPS = 200
SMOOTH = 0.2
"""Part of a bin's share that goes to its neighbours in each step of an estimate."""

LEAST_SHAPE = 1e-3
"""Least share of a bin in the shape shares are smoothed towards: their ratio to none would say nothing."""

PRIOR = 0.5
"""Pseudo-rows per bin in the estimate, in proportion to the start: keeps empty bins from vanishing for good."""


def likeliest(likelihood: Floats, start: Floats, *, ordered: bool, towards: Floats | float = 1.0) -> Floats:
    """Return the shares (B,) that make the rows of `likelihood` (t, B) most likely, from `start` on.

    Neighbours among `ordered` bins are smoothed after each step: the likeliest shares alone are all spikes and gaps.
    What is smoothed is their ratio to the shape `towards` (B,).
    """
    shares = start.copy()
    for _ in range(STEPS):
        joint = likelihood * shares
        joint /= np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)
        shares = joint.sum(axis=0) + PRIOR * start
        if ordered:
            shares = towards * smoothed(shares / towards)
        shares /= shares.sum()
    return shares


def shape(train: Floats) -> Floats:
    """Return the training rows' shares (B,), none of them next to nothing."""
    there = np.maximum(train, LEAST_SHAPE)
    return np.asarray(there / there.sum())


def smoothed(shares: Floats) -> Floats:
    """Return shares (..., B) of which each bin has given a part to its neighbours."""
    padded = np.concatenate([shares[..., :1], shares, shares[..., -1:]], axis=-1)
    return np.asarray((1 - SMOOTH) * shares + SMOOTH * (padded[..., :-2] + padded[..., 2:]) / 2)
