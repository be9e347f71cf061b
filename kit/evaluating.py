"""The stage of a declared test distribution: scoring weights, and how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from kit import evaluate, leeway
from kit.errors import DataError
from kit.evaluate import Declared, Wanted
from kit.folding import folds_of, task_of
from kit.oof import Oof
from kit.oofobject import load_oof
from kit.stage import Stage
from kit.store import Store, Stored
from kit.types import Array, Floats, Folds, Pred, Task, label_text


def run(stage: Stage, store: Store) -> None:
    """Commit the scoring weights v (n,) of a declared test distribution, with the shares they rest on.

    Raises:
        DataError: the shares do not fit the target, or the model they are to be estimated from is of no use.
    """
    made = stage.ingredients
    facts, task = store.open(stage.local["rows"]), task_of(made["task"])
    y, v = facts.array("y"), facts.array("v")
    meta: dict[str, Any] = {}
    arrays: dict[str, Array | bytes] = {}
    if made["source"]:
        oof, target = load_oof(store.open(made["source"])), made["evaluate"]["target"]
        bins = evaluate.regular(task, y, made["evaluate"]["bins"], v)
        found = evaluate.estimate(task, oof, bins, v, target["by"], target["was"])
        shares = found.shares
        meta = {"distance": found.distance, "seen": found.seen.tolist(), "explained": found.explained.tolist()}
        sample = leeway.Sample(bins, v, facts.array("group") if "group" in facts else None)
        spread = leeway.covariance(task, oof, sample, found, target["by"], target["was"])
        if target["by"] != "counts":  # out of fold they rest on the labels of held rows, and may stop no fit
            arrays = _per_fold(made, task, oof, folds_of(store.open(made["folds"])), v)
    else:
        bins, shares = wanted_of(made["evaluate"], task).of(task, y, v)
    declared = evaluate.declared(bins, shares, v)
    if made["source"]:
        edges = declared.bins.edges
        meta["edges"] = None if edges is None else edges.tolist()
        meta["covariance"] = leeway.joined(bins, declared.bins, spread).tolist()
    arrays["v"] = v * declared.ratio
    meta |= {**_meta(task, declared, v * declared.ratio), "transductive": bool(made["source"])}
    store.commit(stage.key, arrays, meta, made)


def wanted_of(section: Mapping[str, Any], task: Task) -> Wanted:
    """Return the distribution that a recipe declares without a model: uniform, or shares.

    Raises:
        DataError: the shares do not fit the target.
    """
    target = section["target"]
    if target == "uniform":
        return Wanted(section["bins"])
    edges, shares = _given(target, task)
    return Wanted(section["bins"], edges, shares)


def check(section: Mapping[str, Any], task: Task, n_test: int) -> None:
    """Return nothing: a declared distribution fits the target and, where it is estimated, there are rows to do it from.

    Raises:
        DataError: it does not.
    """
    target = section["target"]
    if target != "uniform" and "estimate" in target:
        if not n_test:
            rule, advice = "shares are estimated from test rows, and there are none", "name data.test, or give shares"
            raise DataError(rule, got=f"estimate: {target['estimate']}", next=advice)
    else:
        wanted_of(section, task)


def wanted_in(stored: Stored, fold: int) -> Wanted:
    """Return the distribution as fold `fold` may know it: estimated by a model that saw nothing of what it holds."""
    edges = stored.array(f"fold/{fold}/edges") if f"fold/{fold}/edges" in stored else None
    shares: Floats = stored.array(f"fold/{fold}/shares")
    return Wanted(len(shares), edges, shares)


def _per_fold(made: Mapping[str, Any], task: Task, oof: Oof, folds: Folds, v: Floats) -> dict[str, Array | bytes]:
    """Return the shares (B,) and edges (B + 1,) for each fold, from its own model and its own learning rows."""
    arrays: dict[str, Array | bytes] = {}
    for k in range(len(folds)):
        learns = folds.is_train(k)
        bins = evaluate.regular(task, oof.y[learns], made["evaluate"]["bins"], v[learns])
        test = Pred(oof.test[k], None if oof.test_std is None else oof.test_std[k])
        arrays[f"fold/{k}/shares"] = evaluate.by_sigma(task, test, bins, v[learns], made["evaluate"]["target"]["was"])
        if bins.edges is not None:
            arrays[f"fold/{k}/edges"] = bins.edges
    return arrays


def _given(target: Mapping[str, Any], task: Task) -> tuple[Floats | None, Floats]:
    """Return the edges (None for classes) and shares a person wrote down."""
    shares = target["shares"]
    if (task.kind == "regression") == isinstance(shares, dict):
        rule = "shares of a numeric target are a list with edges, those of classes a mapping"
        raise DataError(rule, got=shares, next="see docs/evaluate.md")
    if not isinstance(shares, dict):
        return np.array(target["edges"], np.float64), np.array(shares, np.float64)
    order = [label_text(c) for c in task.classes]
    if task.kind == "binary":
        order = sorted(order, key=lambda c: c == label_text(task.positive))
    wrong = [c for c in shares if c not in order]
    if wrong or len(shares) < len(order):
        rule = "shares must be given for every class of the target"
        raise DataError(rule, got=list(shares), allowed=order, next="leave no class out")
    return None, np.array([shares[c] for c in order], np.float64)


def _meta(task: Task, declared: Declared, v: Floats) -> dict[str, Any]:
    edges = declared.bins.edges
    names = [str(c) for c in task.classes] if edges is None else [f"{a:g} .. {b:g}" for a, b in pairwise(edges)]
    return {
        "bins": names,
        "train_shares": declared.train.tolist(),
        "test_shares": declared.test.tolist(),
        "effective_rows": evaluate.effective(v),
    }
