"""Rows made by hand, and the call every test makes."""

from __future__ import annotations

from types import ModuleType

import numpy as np

from kit.design import scope_of
from kit.types import Block, Column, Rows, Task

REGRESSION = Task("regression")


def rows_of(**columns: object) -> Rows:
    """Return rows of columns given as values: strings become categories (or texts, named text...), None = missing.

    Columns whose name begins with `day` are dates, two-dimensional ones vectors.
    """
    x, header = {}, {}
    for name, given in columns.items():
        values = list(given)  # type: ignore[call-overload]
        if any(isinstance(v, str) for v in values):
            levels = tuple(sorted({v for v in values if v is not None}))
            x[name] = np.array([-1 if v is None else levels.index(v) for v in values], np.int32)
            header[name] = Column("text" if name.startswith("text") else "category", levels)
        elif np.ndim(values[0]) == 1:
            x[name] = np.array(values, np.float32)
            header[name] = Column("vector", width=x[name].shape[1])
        else:
            x[name] = np.array([np.nan if v is None else v for v in values], np.float64)
            header[name] = Column("date" if name.startswith("day") else "numeric")
    n = len(next(iter(x.values())))
    return Rows(np.arange(n), x, header, y=np.zeros(n))


def learn(module: ModuleType, rows: Rows, /, *, task: Task = REGRESSION, seed: int = 0, **params: object):
    """Return the feature learnt as its scope says, asked for its columns as the plan does."""
    given = module.Params.model_validate(params)
    if hasattr(module, "ready"):
        given = module.ready(given, rows.header)
    scope = scope_of(module.__name__.rpartition(".")[2], given)
    handed = {"row": rows.blind().take(np.arange(0)), "table": rows.blind(), "fold": rows}[scope]
    return module.learn(given, task, handed, np.random.default_rng(seed))


def made(module: ModuleType, rows: Rows, /, **params: object) -> dict[str, np.ndarray]:
    """Return name -> column of the block a feature makes of the rows it was learnt on."""
    return columns_of(learn(module, rows, **params)(rows))


def columns_of(block: Block) -> dict[str, np.ndarray]:
    return dict(zip(block.names, block.x.T, strict=True))
