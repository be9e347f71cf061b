"""What is said of classes that are too rare for every fold to have them."""

from __future__ import annotations

import numpy as np

from kit.types import Floats, Folds, Ints, Label, Task
from kit.wording import plural

MOST_NOTES = 5


def notes(task: Task, y: Floats, folds: Folds) -> list[tuple[str, str]]:
    """Return (what, next) for each class that some models never see or some folds do not hold, the rarest first.

    Such folds are used as they are: a model gives a class it never saw little or no probability, and a metric that is
    a mean over the classes takes it over those there are.

    Shape: y (n,).
    """
    if task.kind == "regression":
        return []
    learnt = np.stack([_count(task, y[folds.is_train(k)]) for k in range(len(folds))])
    held = np.stack([_count(task, y[folds.is_held(k)]) for k in range(len(folds))])
    unseen, unheld, counts = (learnt == 0).sum(axis=0), (held == 0).sum(axis=0), _count(task, y)
    rare = [c for c in np.argsort(counts, kind="stable") if unseen[c] or unheld[c]]
    lines = []
    for c in rare[:MOST_NOTES]:
        parts = [
            f"{plural(int(n), 'fold')} of {len(folds)} {what}"
            for n, what in ((unseen[c], "learn without it"), (unheld[c], "hold none of it"))
            if n
        ]
        few = counts[c] < folds.n_folds
        advice = "merge it with another class, or drop its rows" if few else "a stratified split spreads it"
        lines.append((f"class {_label(task, int(c))} has {plural(int(counts[c]), 'row')}: {', '.join(parts)}", advice))
    return lines + ([(f"and {len(rare) - MOST_NOTES} more classes like it", "")] if len(rare) > MOST_NOTES else [])


def _count(task: Task, y: Floats) -> Ints:
    return np.bincount(y.astype(np.int64), minlength=len(task.classes))


def _label(task: Task, code: int) -> Label:
    if task.kind == "binary":
        return next(c for c in task.classes if (c == task.positive) == (code == 1))
    return task.classes[code]
