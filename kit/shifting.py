"""Adversarial validation: can a learner tell test rows from training rows, and by which columns?

The question is put through THE fold: rows of both files, the target "is a test row", learners that never saw the rows
they judge. An AUC near 0.5 says the files are alike; the columns of highest gain are those that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import registry, rows
from kit.canon import stream
from kit.design import DesignSpec, Use
from kit.errors import DataError
from kit.fitspec import FitSpec, FoldResult
from kit.fold import fit_fold
from kit.opening import Opened, Sets, open_recipe
from kit.types import Floats, Folds, Pred, Rows, Task

MOST_ROWS = 20_000
"""Rows taken from each file, drawn at random: more would not change the answer."""

FOLDS, ROUNDS = 5, 100

ALIKE, APART = 0.55, 0.7
"""AUC up to which the files are alike, and from which they differ much (Kaggle practice)."""

COMPARED = {"numeric": ("numeric", "date"), "category": ("category",), "text_stats": ("text",)}
"""Feature -> kinds of columns it compares. Of texts: lengths and shares of kinds of characters, not what they say."""

TASK = Task("binary", "logloss", ("train", "test"), "test")


def shift(path: str | Path, *, set: Sets = (), root: str | Path = ".", trust: bool = False) -> dict[str, Any]:
    """Return the AUC with which test rows are told from training rows, its standard error, and the columns behind it.

    `effective_share`: effective share of the training rows, were they weighted to look like test rows. `left_out`:
    columns of kinds that are not compared.

    Raises:
        DataError: there are no test rows, or no column to tell them by.
    """
    opened = open_recipe(path, set, root, trust=trust)
    both = _rows(opened)
    y = both.y if both.y is not None else np.empty(0)
    pred, gains = np.full(len(both), np.nan), []
    names: tuple[str, ...] = ()
    folds = _folds(y, opened.recipe.seed)
    spec = _spec(opened)
    for k in range(FOLDS):
        found = fit_fold(
            replace(spec, design=replace(spec.design, fold=k)), both, both.take(np.empty(0, np.int64)), folds, _fresh
        )
        pred[folds.is_held(k)] = found.held.mean[:, 0]
        gains.append(_gain(found))
        names = found.designs.train.names
    auc = _auc(y, pred)
    gain = np.mean(gains, axis=0)
    order = np.argsort(-gain, kind="stable")[:10]
    return {
        "auc": auc,
        "auc_se": _standard_error(auc, int(y.sum()), int((1 - y).sum())),
        "verdict": "alike" if auc < ALIKE else "different" if auc < APART else "very different",
        "columns": [{"name": names[i], "share": float(gain[i])} for i in order if gain[i] > 0.005],
        "effective_share": _effective_share(y, pred),
        "rows": {"train": int((1 - y).sum()), "test": int(y.sum())},
        "left_out": [n for n in opened.facts.free if opened.facts.header[n].kind not in sum(COMPARED.values(), ())],
    }


def _rows(opened: Opened) -> Rows:
    """Return rows of both files whose y says whether they are test rows."""
    facts = opened.facts
    if not facts.n_test:
        raise DataError("there are no test rows to compare with", next="name data.test in the recipe")
    train, test = rows.load(opened.store, facts.table_key, facts.rows_key, {}, list(facts.free))
    parts = []
    for i, part in enumerate((train.take(np.arange(facts.n_train)), test)):
        rng = stream(opened.recipe.seed, "shift", i)
        parts.append(part.take(np.sort(rng.permutation(len(part))[:MOST_ROWS])))
    both = rows.both(*parts)
    return replace(both, y=np.concatenate([np.zeros(len(parts[0])), np.ones(len(parts[1]))]))


def _spec(opened: Opened) -> FitSpec:
    features = []
    for use, accepted in COMPARED.items():
        columns = tuple(n for n in opened.facts.free if opened.facts.header[n].kind in accepted)
        if columns:
            features.append(Use("features", use, registry.load("features", use).Params(columns=columns)))
    if not features:
        raise DataError("there is no column of numbers, categories or texts", next="kit check prints the columns")
    plain = Use("codecs", "identity", registry.load("codecs", "identity").Params())
    design = DesignSpec(tuple(features), (), None, plain, opened.recipe.seed, 0)
    model = Use("models", "lightgbm", registry.load("models", "lightgbm").Params(n_estimators=ROUNDS))
    split = Use("splits", "kfold", registry.load("splits", "kfold").Params(folds=FOLDS))
    return FitSpec(model, design, TASK, split, "fixed", None, 0)


def _folds(y: Floats, seed: int) -> Folds:
    """Return folds with the same share of test rows in each."""
    held = np.empty(len(y), np.int16)
    for value in (0, 1):
        index = stream(seed, "shift folds", value).permutation(np.flatnonzero(y == value))
        held[index] = np.arange(len(index)) % FOLDS
    return Folds(held[None], FOLDS)


def _fresh(name: str, make: Callable[[], Any]) -> Any:
    return make()


def _gain(found: FoldResult) -> Floats:
    """Return (d,) each column's share of the gain."""
    gain = found.fitted.importance()
    gain = np.zeros(len(found.designs.train.names)) if gain is None else np.asarray(gain, np.float64)
    return gain / max(float(gain.sum()), 1e-300)


def _auc(y: Floats, pred: Floats) -> float:
    score = registry.metric("auc").score
    return float(score(TASK, y, Pred(pred[:, None].astype(np.float32)), np.ones(len(y))))


def _standard_error(auc: float, positives: int, negatives: int) -> float:
    """Return the standard error of an AUC.

    Source: Hanley and McNeil, Radiology 143(1), 1982.
    """
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return float(np.sqrt(spread / (positives * negatives)))


def _effective_share(y: Floats, pred: Floats) -> float:
    """Return (sum w)^2 / (n sum w^2) of the density ratios w = d / (1 - d) of the training rows."""
    d = np.clip(pred[y == 0], 1e-6, 1 - 1e-6)
    w = d / (1 - d)
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))
