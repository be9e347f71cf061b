"""Pools of honest models on made-up data, and faults planted into them: what the audit is tested and measured on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from kit.auditing import Finding, Suspect
from kit.paired import Truth
from kit.types import Task

KINDS = ("regression", "binary", "multiclass")
FOLDS = 5
TASKS = {
    "regression": (Task("regression"), "rmse"),
    "binary": (Task("binary", "logloss", (0, 1), 1), "logloss"),
    "multiclass": (Task("multiclass", "softmax", ("a", "b", "c")), "logloss"),
}


def models(kind: str) -> dict[str, Callable[[], Any]]:
    """Return makers of models of different strength, from linear over unstable to boosted, one stopped far too early."""
    if kind == "regression":
        return {
            "ridge": lambda: make_pipeline(StandardScaler(), Ridge(10.0)),
            "near": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor(5)),
            "wide": lambda: make_pipeline(StandardScaler(), KNeighborsRegressor(30)),
            "extra": lambda: ExtraTreesRegressor(30, min_samples_leaf=2, random_state=0),
            "tree": lambda: DecisionTreeRegressor(min_samples_leaf=8, random_state=0),
            "short": lambda: GradientBoostingRegressor(n_estimators=10, max_depth=3, random_state=0),
            "boosted": lambda: GradientBoostingRegressor(n_estimators=60, max_depth=3, subsample=0.7, random_state=0),
        }
    return {
        "ridge": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        "near": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(15)),
        "wide": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(50)),
        "extra": lambda: ExtraTreesClassifier(30, min_samples_leaf=2, random_state=0),
        "tree": lambda: DecisionTreeClassifier(min_samples_leaf=15, random_state=0),
        "short": lambda: GradientBoostingClassifier(n_estimators=6, max_depth=2, random_state=0),
        "boosted": lambda: GradientBoostingClassifier(n_estimators=25, max_depth=3, subsample=0.7, random_state=0),
    }


@dataclass(frozen=True)
class World:
    """Train and test rows of made-up data with their folds."""

    kind: str
    x: np.ndarray
    y: np.ndarray
    fold: np.ndarray
    x_test: np.ndarray

    @property
    def truth(self) -> Truth:
        task, metric = TASKS[self.kind]
        return Truth(task, metric, self.y, np.ones(len(self.y)))

    @property
    def outputs(self) -> np.ndarray:
        return (self.y[:, None] == np.arange(3)).astype(float) if self.kind == "multiclass" else self.y[:, None]


def world(kind: str, seed: int, n: int = 600, noise: float = 0.8, shift: float = 0.0) -> World:
    """Return n training and n / 2 test rows; `shift` moves a feature of the test rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + n // 2, 8))
    x[n:, 0] += shift
    z = (
        x[:, 0]
        + np.sin(2 * x[:, 1])
        + 0.7 * x[:, 2] * x[:, 3]
        + 0.3 * np.abs(x[:, 4])
        + noise * rng.normal(size=len(x))
    )
    y = {"regression": z, "binary": (z > 0).astype(float), "multiclass": np.digitize(z, [-0.8, 0.8]).astype(float)}[
        kind
    ]
    return World(kind, x[:n], y[:n], (rng.permutation(n) % FOLDS).astype(np.int16), x[n:])


def predict(model: Any, x: np.ndarray, kind: str) -> np.ndarray:
    if kind == "regression":
        return model.predict(x)[:, None]
    p = model.predict_proba(x)
    return p if kind == "multiclass" else p[:, 1:]


def crossfit(w: World, make: Callable[[], Any], learn: Callable[[int], np.ndarray] | None = None) -> Suspect:
    """Return the OOF and averaged test predictions of a model; `learn(k)`: rows that fold k's model learns from."""
    pred, tests = None, []
    for k in range(FOLDS):
        rows = np.flatnonzero(w.fold != k) if learn is None else learn(k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = make().fit(w.x[rows], w.y[rows])
        held = predict(model, w.x[w.fold == k], w.kind)
        pred = np.empty((len(w.y), held.shape[1]), np.float32) if pred is None else pred
        pred[w.fold == k] = held
        tests.append(predict(model, w.x_test, w.kind))
    return Suspect("x", pred, w.fold, np.mean(tests, axis=0).astype(np.float32), True)


def pool(w: World, without: tuple[str, ...] = ()) -> list[Suspect]:
    """Return honest sources."""
    return [replace(crossfit(w, make), name=name) for name, make in models(w.kind).items() if name not in without]


@dataclass(frozen=True)
class Fault:
    """A planted fault: `expected` are the checks any of which tells of it; the faulty source is called `bad`."""

    name: str
    truth: Truth
    sources: list[Suspect]
    expected: frozenset[str]

    def caught(self, found: tuple[Finding, ...]) -> bool:
        return any(f.source == "bad" and f.check in self.expected for f in found)

    def accused(self, found: tuple[Finding, ...]) -> list[Finding]:
        """Return what is said against sources that are sound."""
        return [f for f in found if f.source != "bad" and f.severity in ("error", "warning")]


def score_faults(w: World, sources: list[Suspect]) -> Iterator[Fault]:
    """Yield large score faults. The faulty source is made from `boosted` or `extra`, which is not in the pool then."""
    rng = np.random.default_rng(0)
    by = {s.name: s for s in sources}
    base, n = by["boosted"], len(w.y)

    def fault(name: str, bad: Suspect, *expected: str, of: str = "boosted") -> Fault:
        left = [s for s in sources if s.name != of]
        return Fault(name, w.truth, [*left, replace(bad, name="bad")], frozenset(expected))

    for share in (0.3, 0.5):
        leaky = ((1 - share) * base.pred + share * w.outputs).astype(np.float32)
        yield fault(f"target in the OOF, {share:.0%}", replace(base, pred=leaky), "leak")
    everything = np.arange(n)
    for name in ("extra", "boosted"):
        seen = crossfit(w, models(w.kind)[name], lambda k: everything)
        yield fault(f"{name} predicts rows it learnt", replace(seen, test=by[name].test), "leak", of=name)
        one = np.where((w.fold == 2)[:, None], seen.pred, by[name].pred)
        yield fault(
            f"{name} learnt one of its held folds", replace(by[name], pred=one), "fold_outlier", "leak", of=name
        )
    for share in (0.5, 1.0):
        doubled = [np.flatnonzero(rng.random(n) < share) for _ in range(FOLDS)]
        bad = crossfit(w, models(w.kind)["extra"], lambda k: np.r_[np.flatnonzero(w.fold != k), doubled[k]])  # noqa: B023
        yield fault(f"{share:.0%} of the rows doubled before the split", bad, "leak", of="extra")
    held = np.flatnonzero(w.fold == 1)
    failed = base.pred.copy()
    failed[held] = w.outputs.mean(axis=0)
    yield fault("a fold's model failed", replace(base, pred=failed), "fold_outlier")
    mixed = base.pred.copy()
    mixed[held] = mixed[rng.permutation(held)]
    yield fault("rows of one fold in another order", replace(base, pred=mixed), "fold_outlier")
    yield from _order_faults(w, base, fault, rng)
    yield from _scale_faults(w, sources, base, fault)


def _order_faults(w: World, base: Suspect, fault: Callable[..., Fault], rng: np.random.Generator) -> Iterator[Fault]:
    n, half = len(w.y), len(w.y) // 2
    yield fault("off by one", replace(base, pred=np.roll(base.pred, 1, axis=0)), "shifted")
    late = np.r_[base.pred[:half], np.roll(base.pred[half:], 1, axis=0)]
    yield fault("off by one from the middle on", replace(base, pred=late), "shifted")
    yield fault("rows shuffled", replace(base, pred=base.pred[rng.permutation(n)]), "shuffled")
    by_fold = base.pred[np.argsort(w.fold, kind="stable")]
    yield fault("rows in the order of the folds", replace(base, pred=by_fold), "shuffled")
    yield fault("test rows shuffled", replace(base, test=base.test[rng.permutation(len(base.test))]), "shuffled_test")
    yield fault("test off by one", replace(base, test=np.roll(base.test, -1, axis=0)), "shifted_test")


def _scale_faults(w: World, sources: list[Suspect], base: Suspect, fault: Callable[..., Fault]) -> Iterator[Fault]:
    other = next(s for s in sources if s.name == "extra")
    yield fault("test predictions of another source", replace(base, test=other.test), "test_copied")
    if w.kind == "regression":
        yield fault("test on twice the scale", replace(base, test=2 * base.test), "test_spread")
        yield fault("test moved", replace(base, test=base.test + 2 * w.y.std()), "test_shift")
        yield fault("another sign", replace(base, pred=-base.pred, test=-base.test), "inverted")
        prices = [replace(s, pred=100 * np.exp(s.pred), test=100 * np.exp(s.test)) for s in sources]
        bad = next(s for s in prices if s.name == "boosted")
        bad = replace(bad, name="bad", pred=np.log1p(bad.pred), test=np.log1p(bad.test))
        truth = replace(w.truth, y=100 * np.exp(w.y))
        left = [s for s in prices if s.name != "boosted"]
        yield Fault("predictions left in logs", truth, [*left, bad], frozenset(("scale",)))
    elif w.kind == "binary":
        yield fault("P of the other class", replace(base, pred=1 - base.pred, test=1 - base.test), "inverted")
    else:
        turned = replace(base, pred=base.pred[:, [1, 2, 0]], test=base.test[:, [1, 2, 0]])
        yield fault("classes in another order", turned, "class_order")


def array_faults(w: World, sources: list[Suspect]) -> Iterator[Fault]:
    """Yield faults of the numbers that the arrays alone tell for certain."""
    base = next(s for s in sources if s.name == "boosted")

    def fault(name: str, bad: Suspect, *expected: str) -> Fault:
        left = [s for s in sources if s.name != "boosted"]
        return Fault(name, w.truth, [*left, replace(bad, name="bad")], frozenset(expected))

    hole = base.pred.copy()
    hole[7] = np.nan
    yield fault("a held row is missing", replace(base, pred=hole), "nan")
    endless = base.pred.copy()
    endless[7] = np.inf
    yield fault("a prediction is infinite", replace(base, pred=endless), "nan")
    yield fault(
        "a test prediction is missing",
        replace(base, test=np.where(np.arange(len(base.test))[:, None] == 3, np.nan, base.test)),
        "nan_test",
    )
    yield fault("constant", replace(base, pred=np.full_like(base.pred, 1 / base.pred.shape[1])), "constant")
    yield fault("constant test", replace(base, test=np.full_like(base.test, 1 / base.pred.shape[1])), "constant_test")
    yield fault("a copy", sources[0], "duplicate")
    yield fault(
        "a copy on another scale",
        replace(sources[0], pred=0.5 * sources[0].pred + 0.1, test=0.5 * sources[0].test + 0.1),
        "duplicate",
        "sum",
    )
    mean = (0.25 * sources[0].pred + 0.25 * sources[1].pred + 0.5 * sources[3].pred).astype(np.float32)
    mean_test = (0.25 * sources[0].test + 0.25 * sources[1].test + 0.5 * sources[3].test).astype(np.float32)
    yield fault("a blend of the others", replace(base, pred=mean, test=mean_test), "combination")
    other = (w.fold + (np.arange(len(w.fold)) % 2)) % FOLDS
    yield fault("other folds", replace(base, fold=other.astype(np.int16)), "other_folds")
    if w.kind != "regression":
        yield fault("percentages", replace(base, pred=100 * base.pred, test=100 * base.test), "range")
        logit = np.log(np.clip(base.pred, 1e-3, 1) / np.clip(1 - base.pred, 1e-3, 1))
        yield fault("logits", replace(base, pred=logit), "range")
        hard = (base.pred > 0.5) if w.kind == "binary" else base.pred == base.pred.max(axis=1, keepdims=True)
        yield fault("labels", replace(base, pred=hard.astype(np.float32)), "labels")
    if w.kind == "multiclass":
        yield fault(
            "a class is lacking",
            replace(base, pred=np.where(np.arange(3) == 2, 0, base.pred).astype(np.float32)),
            "sum",
        )


def hidden_faults(w: World, sources: list[Suspect]) -> Iterator[Fault]:
    """Yield faults that the arrays of an imported source cannot tell: they must be reported as unknown, not guessed."""
    by = {s.name: s for s in sources}
    base, rng = by["boosted"], np.random.default_rng(1)

    def fault(name: str, bad: Suspect, *expected: str) -> Fault:
        left = [s for s in sources if s.name != "boosted"]
        return Fault(name, w.truth, [*left, replace(bad, name="bad", made_here=False)], frozenset(expected))

    yield fault("folds are not known", replace(base, fold=None), "folds")
    yield fault("rounds chosen on held rows", _chosen(w), "provenance")
    yield fault("folds of another seed are named", replace(base, fold=rng.permutation(base.fold)), "provenance")
    level = rng.integers(0, len(w.y) // 40, len(w.y))
    sums, counts = np.bincount(level, w.y), np.maximum(np.bincount(level), 1)
    seen = replace(
        w, x=np.c_[w.x, (sums / counts)[level]], x_test=np.c_[w.x_test, rng.choice(sums / counts, len(w.x_test))]
    )
    yield fault("target means of large levels over all rows", crossfit(seen, models(w.kind)["boosted"]), "provenance")


def _chosen(w: World) -> Suspect:
    """Return a boosted model whose rounds were chosen for each fold on that fold."""
    pred, tests = np.empty((len(w.y), 3 if w.kind == "multiclass" else 1), np.float32), []
    for k in range(FOLDS):
        rows, held = w.fold != k, w.fold == k
        model = models(w.kind)["boosted"]().fit(w.x[rows], w.y[rows])
        stages = model.staged_predict if w.kind == "regression" else model.staged_predict_proba
        shown = [p[:, None] if p.ndim == 1 else (p if w.kind == "multiclass" else p[:, 1:]) for p in stages(w.x[held])]
        best = int(np.argmin([((p - w.outputs[held]) ** 2).mean() for p in shown]))
        pred[held] = shown[best]
        test = list(stages(w.x_test))[best]
        tests.append(test[:, None] if test.ndim == 1 else (test if w.kind == "multiclass" else test[:, 1:]))
    return Suspect("bad", pred, w.fold, np.mean(tests, axis=0).astype(np.float32))
