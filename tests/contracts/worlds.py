"""Small worlds for the batteries: rows of every column kind, a task, folds, garbage, and params for any plug-in."""

from __future__ import annotations

import atexit
import itertools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import textmodel

from kit import registry
from kit.canon import stream
from kit.design import DesignSpec, Taught, Use
from kit.features import aggregate, dates, text_stats
from kit.fitspec import FitSpec, FoldResult
from kit.fold import fit_fold
from kit.params import ColumnName, Params, SourceName, refs
from kit.types import Array, Column, Folds, Ints, Pred, Rows, Task

LEAKY = Path(__file__).parent / "leaky"
SEED = 7
K = 1
"""The fold looked at."""

FEW = 6
"""Steps of a fit that is only compared with another."""

TASKS = {
    "squared": Task("regression", "squared"),
    "absolute": Task("regression", "absolute"),
    "gaussian": Task("regression", "gaussian"),
    "logloss": Task("binary", "logloss", ("no", "yes"), "yes"),
    "softmax": Task("multiclass", "softmax", ("a", "b", "c")),
}

_FILES = tempfile.TemporaryDirectory()
atexit.register(_FILES.cleanup)

EXAMPLES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "features": {
        "embed": {"text": "text", "model": "the model of textmodel.py"},
        "tokens": {"text": "text", "model": "the model of textmodel.py", "length": 8},
        "similarity": {"pairs": [["p", "q"]]},
        "overlap": {"pairs": [["text", "e"]]},
        "term_overlap": {"pairs": [["text", "e"]]},
        "prototype": {"vector": "p", "key": "e"},
        "lookup": {"key": "c", "names": f"{_FILES.name}/names.json", "vectors": f"{_FILES.name}/vectors.npy"},
        "aggregate": {"by": ["c"]},
        "lag": {"time": "day", "by": ["c"]},
        "target_lag": {"time": "day", "by": ["c"], "delay": 5},
        "expr": {"expressions": {"twice": "a * 2", "is_k": "c = 'k'"}},
        "tfidf": {"min_df": 1, "size": 4},
        "pairs": {"columns": ["a", "b"]},
        "parts": {"columns": ["c", "e"], "least": 2, "alike": 0.1},
    },
    "augment": {
        "jitter": {"columns": ["a", "p"]},
        "mismatch": {"swap": ["c", "p"], "score": 1.0},
        "interpolate": {"columns": ["p", "a"]},
    },
}
"""What a plug-in cannot do without, where it cannot be guessed from the types of its params."""

VARIANTS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "aggregate": (
        {"stats": list(get_args(aggregate.Stat)), "quantiles": [0.1, 0.9], "by": ["c"], "columns": ["a", "b", "day"]},
        {"by": ["e", "c"], "columns": ["b", "a"], "stats": ["mean", "rank", "zscore", "count"]},
        {"by": ["day"], "columns": ["text", "e"], "stats": ["nunique", "count"]},
        {"by": ["c"], "columns": ["p", "a"], "stats": ["mean", "max", "difference"]},
    ),
    "bins": ({"method": "uniform", "output": "number"}, {"edges": [-1, 0, 2.5], "columns": ["a", "day"]}),
    "category": ({"min_count": 9, "scope": "table"}, {"min_count": 9, "scope": "fold", "columns": ["e", "text"]}),
    "count": ({"columns": ["c", "e", "text", "a"], "kinds": ["count", "frequency"], "together": 2},),
    "cross": ({"columns": ["c", "e", "text"], "together": 3}, {"columns": ["c", "fold"], "min_count": 5}),
    "dates": (
        {
            "parts": list(get_args(dates.Part)),
            "cycles": list(get_args(dates.Cycle)),
            "flags": list(get_args(dates.Flag)),
        },
    ),
    "expr": (
        {"expressions": {"both": "c || text"}, "scope": "table"},
        {"expressions": {"word": "SPLIT_PART(text, ' ', 1)", "late": "day > 18500"}},
    ),
    "lag": (
        {"lags": [1, 2], "differences": [], "means": [3], "position": False, "columns": ["a", "b"]},
        {"by": ["c", "e"], "time": "fold", "columns": ["b", "day"]},
    ),
    "target_lag": (
        {"time": "day", "delay": 1, "lags": [], "means": [3], "back": [1, 2]},
        {"time": "fold", "by": ["c", "e"], "delay": 1, "lags": [1, 2]},
    ),
    "missing": ({"columns": ["a", "c", "p"], "count": False},),
    "pairs": ({"kinds": ["sum", "ratio"], "columns": ["a", "b", "day"]},),
    "rank_gauss": ({"output": "uniform", "quantiles": 20},),
    "reduce": (
        {"method": "svd", "columns": ["p", "a", "b", "q"], "size": 3},
        {"method": "kmeans", "columns": ["p", "b"], "size": 3, "scale": "none"},
        {"rows": 100, "columns": ["a", "b", "day", "q"]},
    ),
    "target_mean": ({"together": 2, "columns": ["c", "e", "fold"]}, {"columns": ["text", "day"], "smoothing": 0}),
    "term_overlap": ({"terms": "chars", "runs": [1, 3]}, {"terms": "words", "runs": [1, 2], "sides": False}),
    "overlap": ({"sides": False, "kinds": ["edit", "words", "length", "chars"]},),
    "text_stats": ({"columns": ["text", "c"], "kinds": list(get_args(text_stats.Kind))},),
    "tfidf": (
        {"analyzer": "char_wb", "size": 3, "min_df": 2},
        {"size": None, "max_features": 6, "min_df": 1, "columns": ["text", "e"]},
    ),
}
"""Further params of features: the options that a battery would not reach by the defaults."""

ESTIMATORS = {
    "squared": {"estimator": "ExtraTreesRegressor", "params": {"n_estimators": 12, "bootstrap": True}},
    "absolute": {"estimator": "Ridge"},
    "gaussian": {"estimator": "BayesianRidge"},
    "logloss": {"estimator": "LogisticRegression"},
    "softmax": {"estimator": "ExtraTreesClassifier", "params": {"n_estimators": 12}},
}
SMALL: Mapping[str, Mapping[str, Any]] = {objective: {"width": 24, "members": 2} for objective in ESTIMATORS}
"""A net that is quick and has every part of the large one."""

QUICK: Mapping[str, Mapping[str, Any]] = {
    o: {"batch": 50, "head_lr": 0.02, "hidden": 32, "dropout": 0.4, "weight_decay": 1.0} for o in ESTIMATORS
}
"""A head that learns in some tens of steps; the text model of the tests has random weights."""

LEARNERS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sklearn": ESTIMATORS,
    "hetero_mlp": SMALL,
    "finetune": QUICK,
}
"""What a learner cannot do without, by the objective it is fitted for, or is quicker with."""


@dataclass(frozen=True)
class World:
    """Train and test rows, the task and the folds of the train rows."""

    task: Task
    train: Rows
    test: Rows
    folds: Folds


@cache
def world(objective: str, n: int = 150, t: int = 24, groups: bool = False) -> World:
    """Return rows whose y follows `a`, `c` and the likeness of `p` and `q`; every array refuses to be written to."""
    rng = np.random.default_rng(11)
    total = n + t
    x, header = _columns(total, rng)
    signal = 2 * np.nan_to_num(x["a"]) + 1.5 * (x["c"] == 2) + (x["p"] * x["q"]).sum(axis=1) / 4
    y = np.maximum(6 + signal + 0.3 * rng.normal(size=total), 0.0)
    if TASKS[objective].kind != "regression":
        cuts = np.quantile(y, [1 / 2] if objective == "logloss" else [1 / 3, 2 / 3])
        y = np.digitize(y, cuts).astype(np.float64)
    w, v, time = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n), np.floor(rng.uniform(0, 40, n))
    for array in (*x.values(), y, w, v, time):
        array.setflags(write=False)
    everything = Rows(np.arange(total), x, header)
    train = everything.take(np.arange(n))
    group = rng.integers(0, 30, n) if groups else None
    train = replace(train, y=y[:n], w=w, v=v, time=time, group=group)
    use = plug("splits", "group" if groups else "kfold", folds=3)
    made = registry.load("splits", use.use).assign(use.params, TASKS[objective], train, stream(SEED, "split", 0))
    folds = Folds(made.held[None].astype(np.int16), 3)
    return World(TASKS[objective], train, everything.take(np.arange(n, total)), folds)


def _columns(n: int, rng: np.random.Generator) -> tuple[dict[str, Array], dict[str, Column]]:
    x: dict[str, Array] = {
        "a": np.where(rng.random(n) < 0.05, np.nan, rng.normal(size=n)),
        "b": rng.normal(size=n) * 100,
        "c": rng.integers(-1, 4, n).astype(np.int32),
        "e": rng.integers(0, 12, n).astype(np.int32),
        "text": rng.integers(-1, 20, n).astype(np.int32),
        "day": np.floor(rng.uniform(18_000, 19_000, n)),
        "p": rng.normal(size=(n, 4)).astype(np.float32),
        "q": rng.normal(size=(n, 4)).astype(np.float32),
        "fold": rng.integers(0, 3, n).astype(np.float64),
    }
    words = tuple(
        sorted(f"{a} {b}" for a in ("red", "green", "blue", "old", "new") for b in ("car", "dog", "hat", "sea"))
    )
    header = {
        "a": Column("numeric"),
        "b": Column("numeric"),
        "c": Column("category", ("k", "l", "m", "n")),
        "e": Column("category", tuple(f"e{i:02d}" for i in range(12))),
        "text": Column("text", words),
        "day": Column("date"),
        "p": Column("vector", width=4),
        "q": Column("vector", width=4),
        "fold": Column("numeric"),
    }
    return x, header


# -- garbage


def spoilt(rows: Rows, mask: Array) -> Rows:
    """Return the rows with another y, w and v where `mask` (n,) holds: reversed, shifted, other classes."""
    assert rows.y is not None
    y, w, v = rows.y.copy(), rows.w.copy(), rows.v.copy()
    whole = bool((y == np.round(y)).all())
    y[mask] = (y[mask] + 1) % (y.max() + 1) if whole else 10 + 3 * (y.max() - y[mask])
    w[mask], v[mask] = 7.0 - w[mask], 9.0 - v[mask]
    return replace(rows, y=y, w=w, v=v)


def with_new_texts(rows: Rows) -> tuple[Rows, Array]:
    """Return the rows with texts no learning has seen in some of them, as new data bring them, and (n,) in which.

    The new texts stand behind the known levels; a category the header does not know is missing.
    """
    new = np.arange(len(rows)) % 3 == 0
    levels = rows.header["text"].levels
    header = {**rows.header, "text": Column("text", (*levels, "an unheard-of sea", ""))}
    text, c = rows.x["text"].copy(), rows.x["c"].copy()
    text[new] = len(levels) + np.arange(new.sum()) % 2
    c[new] = -1
    return replace(rows, x={**rows.x, "text": text, "c": c}, header=header), new


def with_other_x(rows: Rows, at: int) -> Rows:
    """Return the rows with all columns of row `at` changed."""
    x = {}
    for name, column in rows.header.items():
        x[name] = rows.x[name].copy()
        x[name][at] = (x[name][at] + 1) % len(column.levels) if column.levels else np.nan_to_num(x[name][at]) * -3 + 7
    return replace(rows, x=x)


def spoilt_world(w: World, k: int) -> World:
    """Return the world with garbage in the y, w and v of the rows fold k holds."""
    return replace(w, train=spoilt(w.train, w.folds.is_held(k)))


# -- plug-ins


def plug(kind: str, name: str, **given: Any) -> Use:
    """Return the plug-in with `given` params, else its example, else what its types suggest."""
    module = registry.load(kind, name)
    return Use(kind, name, params_of(kind, name, module, given))


def params_of(kind: str, name: str, module: Any, given: Mapping[str, Any]) -> Params:
    if name == "lookup":
        _write_lookup()
    values = {**_guessed(module), **EXAMPLES.get(kind, {}).get(name, {}), **given}
    if name in ("embed", "tokens"):
        values["model"] = str(textmodel.folder())
    if any(v is None for name, v in values.items() if name not in given):
        raise AssertionError(f"{kind}/{name}: write what it cannot do without into worlds.EXAMPLES: {values}")
    made: Params = module.Params(**values)
    if hasattr(module, "ready"):
        made = module.ready(made, _columns(1, np.random.default_rng(0))[1])
    return made


def _guessed(module: Any) -> dict[str, Any]:
    """Return values for required fields: columns of the module's KINDS, a field's own first example; None = unknown."""
    kinds = getattr(module, "KINDS", None) or ("numeric",)
    _, header = _columns(1, np.random.default_rng(0))
    fit = [name for name, column in header.items() if column.kind in kinds]
    values: dict[str, Any] = {}
    for name, field in module.Params.model_fields.items():
        single, several = field.annotation is ColumnName, ColumnName in get_args(field.annotation)
        if single and field.is_required():
            values[name] = "fold" if name == "column" else fit[0]
        elif several and (field.is_required() or name == "columns"):
            values[name] = fit
        elif field.annotation is SourceName:
            values[name] = "p"
        elif field.is_required():
            values[name] = (field.examples or [None])[0]
    return values


def augmenter(name: str, objective: str, **given: Any) -> Use:
    """Return an augmenter whose rows have a y the objective knows: classes cannot be mixed."""
    fields = registry.load("augment", name).Params.model_fields
    classes = {"label": "draw"} if "label" in fields and TASKS[objective].classes else {}
    return plug("augment", name, **{**classes, **given})


@cache
def _write_lookup() -> None:
    folder = Path(_FILES.name)
    (folder / "names.json").write_text('["k", "l", "m", "n"]')
    np.save(folder / "vectors.npy", np.arange(12, dtype=np.float32).reshape(4, 3))


def leaky(kind: str, stem: str, **given: Any) -> Use:
    """Return a cheating plug-in of tests/contracts/leaky."""
    return plug(kind, str(LEAKY / f"{stem}.py"), **given)


def module_of(use: Use) -> Any:
    return registry.load(use.kind, use.use)


def learner(name: str, objective: str, steps: int = FEW, **given: Any) -> Use:
    """Return a learner that takes `steps` steps, if it takes any."""
    counted = registry.load("models", name).STEPS
    example = LEARNERS.get(name, {}).get(objective, {})
    return plug("models", name, **{**example, **({counted: steps} if counted else {}), **given})


# -- fits


def basic_features() -> tuple[Use, ...]:
    return (
        plug("features", "numeric"),
        plug("features", "category"),
        plug("features", "target_mean"),
        plug("features", "vector"),
    )


def read_by(learner: str, features: tuple[Use, ...]) -> tuple[Use, ...]:
    """Return the features with tokens before them where a learner wants some."""
    wanted = getattr(registry.load("models", learner), "READS_TOKENS", False)
    return (plug("features", "tokens"), *features) if wanted else features


def design_spec(fold: int = 1, **given: Any) -> DesignSpec:
    """Return a design: the basic features, nothing else, unless given."""
    parts: dict[str, Any] = {
        "features": basic_features(),
        "augment": (),
        "weights": None,
        "codec": plug("codecs", "identity"),
    }
    return DesignSpec(**{**parts, **given}, seed=SEED, fold=fold)


def fit_spec(
    model: Use, objective: str, stop: str = "cut", *, design: DesignSpec | None = None, **given: Any
) -> FitSpec:
    """Return one fit; a learner without steps cannot be stopped."""
    stop = stop if module_of(model).STEPS else "fixed"
    fields: dict[str, Any] = {"split": plug("splits", "kfold", folds=3), "stop_folds": None, "seed_index": 0}
    design = design or design_spec()
    design = replace(design, features=read_by(model.use, design.features))
    return FitSpec(model, design, TASKS[objective], stop=stop, **{**fields, **given})  # type: ignore[arg-type]


def fresh(name: str, make: Callable[[], Any]) -> Any:
    """Return what `make` makes: a memo that forgets."""
    return make()


def run_fold(spec: FitSpec, w: World, k: int | None = None, **given: Any) -> FoldResult:
    if k is not None:
        spec = replace(spec, design=replace(spec.design, fold=k))
    taught = {name: said(w, spec.design.fold) for use in spec.design.augment for name in refs(use.params, SourceName)}
    spec = replace(spec, design=replace(spec.design, taught=taught))
    return fit_fold(replace(spec, **given), w.train, w.test, w.folds, fresh)


def said(w: World, k: int) -> Taught:
    """Return what a source might say of the rows fold k holds and of test: what `a` suggests, for it has seen no y."""
    held = parts(w, k)[1]
    mean = np.concatenate([np.nan_to_num(rows.x["a"]) for rows in (held, w.test)])[:, None]
    if w.task.classes:
        odds = np.exp(mean * np.arange(max(2, w.task.n_out)))
        mean = odds / odds.sum(axis=1, keepdims=True)
        mean = mean[:, 1:] if w.task.n_out == 1 else mean
    return Taught(np.concatenate([held.row, w.test.row]), Pred(mean, np.ones(len(mean))), len(held))


def everything(w: World) -> Rows:
    """Return what a table-scope feature is handed."""
    from kit.rows import both

    return both(w.train, w.test)


def parts(w: World, k: int) -> tuple[Rows, Rows]:
    """Return (learning, held) rows of fold k."""
    return w.train.take(np.flatnonzero(w.folds.is_train(k))), w.train.take(np.flatnonzero(w.folds.is_held(k)))


def same(a: Pred, b: Pred) -> bool:
    """Return whether two predictions are the same bits, mean and std."""
    stds = (a.std is None) == (b.std is None) and (a.std is None or b.std is None or a.std.tobytes() == b.std.tobytes())
    return stds and a.mean.shape == b.mean.shape and a.mean.tobytes() == b.mean.tobytes()


def take(pred: Pred, index: Ints | Array) -> Pred:
    return Pred(pred.mean[index], None if pred.std is None else pred.std[index])


def check_blind(spec: FitSpec, w: World, k: int = K) -> None:
    """Fold k's predictions are the same bits whatever the y, w and v of the rows it holds.

    The same process first fits a fold that learns from those rows, so that a plug-in that remembers is caught too.
    """
    seen = []
    for case in (w, spoilt_world(w, k)):
        run_fold(spec, case, k - 1)
        seen.append(run_fold(spec, case, k))
    assert same(seen[0].held, seen[1].held), "the held predictions depend on a held y"
    assert same(seen[0].test, seen[1].test), "the test predictions depend on a held y"
    assert seen[0].curve.tobytes() == seen[1].curve.tobytes() and seen[0].best_step == seen[1].best_step
    assert np.isfinite(seen[0].held.mean).all()


# -- pairwise cover


def pairwise(
    factors: Mapping[str, tuple[Any, ...]], allowed: Callable[[Mapping[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Return cases in which every allowed pair of values of two factors occurs; `allowed` judges incomplete cases too."""
    todo = {
        ((f, x), (g, y))
        for f, g in itertools.combinations(factors, 2)
        for x, y in itertools.product(factors[f], factors[g])
        if allowed({f: x, g: y})
    }
    cases = []
    while todo:
        first = min(todo, key=str)
        case: dict[str, Any] = dict(first)
        for name in (f for f in factors if f not in case):
            options = [v for v in factors[name] if allowed({**case, name: v})]
            if not options:
                break
            case[name] = max(options, key=lambda v, name=name: len(todo & _pairs({**case, name: v}, factors)))
        else:
            cases.append({name: case[name] for name in factors})
        todo -= _pairs(case, factors) | {first}
    return cases


def _pairs(case: Mapping[str, Any], factors: Mapping[str, Any]) -> set[Any]:
    return set(itertools.combinations([(f, case[f]) for f in factors if f in case], 2))


def label(case: Mapping[str, Any]) -> str:
    """Return the id of a case."""
    return "-".join(str(v) for v in case.values() if v is not None)
