"""Permutation importance of matrix columns on held rows (Breiman 2001), bounded so that it costs next to nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kit.types import Block, Design, Floats, Floats32, Ints, Pred, Task

MOST_ROWS = 400
MOST_COLUMNS = 30
"""Only the columns of highest gain are permuted; the others are NaN."""


def permutation(
    predict: Callable[[Design, Ints], Pred],
    design: Design,
    task: Task,
    y: Floats,
    gain: Floats | None,
    rng: np.random.Generator,
) -> Floats:
    """Return (d,) by how much the objective's loss grows when a column is shuffled; NaN for columns not tried.

    None is tried of a design with tokens. All shuffled copies are predicted in one call. `predict` takes a design and
    the position of each of its rows among the n; y (n,) is on the recipe's scale, as it returns. Where the design tells
    queries, these are whole, and the loss is of how far rows lie from the mean of theirs.
    """
    names = design.names
    if any(block.text_model for block in design.blocks):
        return np.full(len(names), np.nan)  # a try costs as much as predicting the rows once more
    rows = _drawn(design, rng)
    order = np.arange(len(names)) if gain is None else np.argsort(-gain, kind="stable")
    columns = order[:MOST_COLUMNS]
    base = np.concatenate([block.x[rows] for block in design.blocks], axis=1)
    stacked = np.tile(base, (len(columns) + 1, 1))
    for i, column in enumerate(columns):
        part = stacked[(i + 1) * len(rows) : (i + 2) * len(rows)]
        part[:, column] = base[rng.permutation(len(rows)), column]
    sizes = {name: n for block in design.blocks for name, n in block.categories.items()}
    block = Block(names, stacked, {names[i]: n for i, n in design.categories.items()} if sizes else {})
    ones = np.ones(len(stacked))
    at = np.tile(rows, len(columns) + 1)
    said = predict(Design((block,), None, ones, ones), at).mean
    if design.query is None:
        losses = _loss(task, y[at], said)
    else:
        # The query of a copy is another one's in each copy.
        of = np.repeat(np.arange(len(columns) + 1), len(rows)) * (int(design.query.max()) + 1) + design.query[at]
        losses = _off(y[at] - said[:, 0].astype(np.float64), of) ** 2
    per_copy = losses.reshape(len(columns) + 1, len(rows)).mean(axis=1)
    out = np.full(len(names), np.nan)
    out[columns] = per_copy[1:] - per_copy[0]
    return out


def _drawn(design: Design, rng: np.random.Generator) -> Ints:
    """Return the rows that are looked at, ascending; whole queries where the design tells them."""
    if design.query is None:
        return np.sort(rng.permutation(len(design))[:MOST_ROWS])
    codes = np.unique(design.query, return_inverse=True)[1]
    drawn = rng.permutation(int(codes.max()) + 1)
    before = np.cumsum(np.bincount(codes)[drawn]) - np.bincount(codes)[drawn]
    return np.flatnonzero(np.isin(codes, drawn[before < MOST_ROWS]))


def _off(values: Floats, of: Ints) -> Floats:
    """Return values (n,) less the mean of their group `of` (n,)."""
    codes = np.unique(of, return_inverse=True)[1]
    return np.asarray(values - (np.bincount(codes, values) / np.bincount(codes))[codes])


def _loss(task: Task, y: Floats, mean: Floats32) -> Floats:
    """Return (n,) the loss of each row: squared or absolute error, or log loss."""
    if task.kind == "regression":
        error: Floats = np.abs(y - mean[:, 0])
        return error if task.objective == "absolute" else error**2
    p = mean.astype(np.float64)
    chosen = np.where(y == 1, p[:, 0], 1 - p[:, 0]) if task.kind == "binary" else p[np.arange(len(y)), y.astype(int)]
    loss: Floats = -np.log(np.clip(chosen, 1e-15, 1.0))
    return loss
