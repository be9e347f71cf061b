"""Blends of which one source gives scores: scales and what is added to whole queries are no matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kit import registry, saving
from kit.crossfit import BlendSpec, blended
from kit.design import Use
from kit.oof import Oof
from kit.panel import Panel
from kit.rowgroups import attach
from kit.stackers._even import Even
from kit.types import Task

TASKS = {"regression": Task("regression"), "binary": Task("binary", "logloss", (0, 1), 1)}
STACKERS = ("mean", "median", "weighted", "hill_climb", "shrunk", "nnls", "ridge", "rank_mean", "best")


def params(use: str):
    return registry.load("stackers", use).Params(**({"weights": (1, 1, 1)} if use == "weighted" else {}))


def sources(kind: str, stretch: float = 1.0, shift: float = 0.0) -> tuple[list[Oof], np.ndarray]:
    """Return three sources of 40 queries in 4 folds; the first gives scores, stretched and shifted, whole queries otherwise."""
    rng = np.random.default_rng(2)
    query = np.repeat(np.arange(40), 8)
    truth, noise = rng.normal(size=320), rng.normal(size=(3, 320 + 30))
    y = np.clip(np.round(truth + 2), 0, 4) if kind == "regression" else (truth > 0.5).astype(float)
    values = np.stack([np.concatenate([truth, rng.normal(size=30)]) * k + noise[s] for s, k in enumerate((1, 1, 0.6))])
    if kind == "binary":
        values = values - 0.5
    values[0] = stretch * (values[0] + shift)
    preds = 1 / (1 + np.exp(-values)) if kind == "binary" else values
    fold = (query % 4).astype(np.int16)[None]
    made = []
    for s, one in enumerate(preds.astype(np.float32)):
        test = np.tile(one[None, 320:, None], (4, 1, 1))
        made.append(Oof(fold, y, one[None, :320, None], test, kind="value" if kind == "regression" else "proba", unscaled=s == 0))  # fmt: skip
    return made, query


def blend(use: str, kind: str, found: list[Oof], query: np.ndarray, metric: str = "ndcg@5 by q"):
    panel = Panel(TASKS[kind], found, attach(np.ones(len(query)), {"q": query}), None)
    return blended(BlendSpec(Use("stackers", use, params(use)), metric, TASKS[kind], 0, ("a", "b", "c")), panel)


@pytest.mark.parametrize("kind", list(TASKS))
@pytest.mark.parametrize("use", STACKERS)
def test_the_scale_of_scores_is_no_matter(use, kind):
    plain, other = (blend(use, kind, *sources(kind, *how)) for how in ((1.0, 0.0), (0.3, 1.0)))
    assert plain.oof.unscaled
    np.testing.assert_allclose(other.oof.pred, plain.oof.pred, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(other.oof.test, plain.oof.test, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("kind", list(TASKS))
def test_a_mean_weighs_the_orders_of_its_sources_alike(kind, tmp_path):
    """It is that of deviations from the query's mean, each source's divided by their root mean square."""
    found, query = sources(kind, 1.3, 0.4)
    made = blend("mean", kind, found, query)
    assert isinstance(made.full, Even) and made.full.weights is not None and len(made.full.weights) == 3
    z = np.stack([s.pred[0, :, 0].astype(np.float64) for s in found])
    z = np.log(z / (1 - z)) if kind == "binary" else z
    z = z - np.stack([np.bincount(query, one)[query] / 8 for one in z])
    z /= np.sqrt((z**2).mean(axis=1, keepdims=True))
    wanted = z.mean(axis=0) if kind == "regression" else (z.sum(axis=0))
    said = made.full(np.stack([s.pred[0] for s in found]), _context(kind, query)).mean[:, 0].astype(np.float64)
    if kind == "binary":  # probabilities are averaged, so the order is nearly, not just, that of log odds
        said = np.log(said / (1 - said))
    said = said - np.bincount(query, said)[query] / 8
    assert np.corrcoef(said, wanted)[0, 1] > (0.9999 if kind == "regression" else 0.98)
    saving.save({"combiner": made.full, "keys": None}, tmp_path, "combiner")
    again = saving.load(tmp_path, "combiner")["combiner"]
    zz = np.stack([s.pred[0] for s in found])
    assert (again(zz, _context(kind, query)).mean == made.full(zz, _context(kind, query)).mean).all()


def _context(kind, query):
    from kit.contracts import Context

    return Context(TASKS[kind], registry.metric("ndcg@5 by q"), np.random.default_rng(0), ("a", "b", "c"))


def test_without_scores_nothing_changes_and_a_curve_tells_values():
    found, query = sources("binary")
    plain = [replace(s, unscaled=False) for s in found]
    assert not isinstance(blend("mean", "binary", plain, query).full, Even)
    assert not blend("mean", "binary", plain, query).oof.unscaled
    assert not blend("isotonic", "binary", found[:1], query).oof.unscaled
    assert blend("best", "binary", found[:1], query).oof.unscaled
    over_all = blend("mean", "binary", found, query, "auc")
    assert isinstance(over_all.full, Even)
