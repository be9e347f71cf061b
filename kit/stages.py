"""One short function per verb of a plan. A stage reads its inputs from the store and commits one object."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import registry, rows, sample, saving, table
from kit.canon import key_of, stream
from kit.contracts import Learnt, Watch, never
from kit.crossfit import BlendSpec, crossfit
from kit.design import DesignSpec, scope_of
from kit.errors import RecipeError
from kit.fold import FitSpec, FoldResult, fit_all, fit_fold, grown
from kit.folding import folds_of, task_of
from kit.importance import permutation
from kit.memory import Memory
from kit.oof import Oof, average
from kit.stage import Stage, use_of
from kit.store import Store, Stored
from kit.types import Array, Folds, Ints, Pred, Rows
from kit.vectors import Costly

_MEMORY = Memory()


def run(stage: Stage, store: Store, threads: int = 1, watch: Watch = never, memory: Memory = _MEMORY) -> None:
    """Carry out a stage and commit its result.

    `memory`: what is kept between fits. `watch` follows a fit; where it ends one, `kit.fold.Ended` is raised and
    nothing is committed.
    """
    verbs = {"column": _column, "oof": _oof, "blend": _blend, "submit": _submit}
    if stage.verb in ("fit", "curve", "refit"):
        _fit(stage, store, replace(spec_of(stage, store), threads=threads, watch=watch), memory)
    else:
        verbs[stage.verb](stage, store)


def inputs_of(stage: Stage, store: Store) -> tuple[Rows, Rows]:
    """Return the train and test rows a stage reads."""
    made, local = stage.ingredients, stage.local
    return rows.load(store, local["table"], local["rows"], made["columns"], names=list(made["x"]))


# -- verbs


def _column(stage: Stage, store: Store) -> None:
    """Commit a computed column: x (n + t, d) float32.

    Raises:
        RecipeError: the feature makes categories, of which a column of vectors knows nothing.
    """
    train, test = inputs_of(stage, store)
    use = use_of(stage.ingredients["feature"], "features", stage.local["files"])
    everything = rows.both(train, test)
    handed = Rows(np.empty(0, np.int64), {}, train.header) if scope_of(use.use, use.params) == "row" else everything
    rng = stream(stage.ingredients["seed"], "column")
    task, module = task_of(stage.ingredients["task"]), registry.load("features", use.use)
    learnt: Learnt = module.learn(use.params, task, handed, rng)
    if isinstance(learnt, Costly):
        learnt = learnt.placed(store.root / "embeddings", stage.ingredients.get("device", "cpu"))
    block = learnt(everything)
    if block.categories:
        rule = f"{use.use} makes categories, which a computed column cannot hold"
        raise RecipeError(rule, got=", ".join(block.categories), next="move it from columns to features")
    x = np.ascontiguousarray(block.x)
    with _saved("learnt", learnt) as folder:
        store.commit(stage.key, {"x": x}, {"width": x.shape[1]}, stage.ingredients, folder)


@contextmanager
def _saved(name: str, value: Any) -> Iterator[Path]:
    """Give a temporary folder of that name in which a learnt thing is saved under it."""
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / name
        folder.mkdir()
        saving.save(value, folder, name)
        yield folder


def spec_of(stage: Stage, store: Store) -> FitSpec:
    """Return a fit as its stage describes it."""
    made, files = stage.ingredients, stage.local["files"]
    design = made["design"]
    steps = _pooled_steps(made["curves"], store) if made.get("curves") else None
    if stage.verb == "refit":
        steps = _refit_steps(stage, store)
    return FitSpec(
        model=use_of(made["model"], "models", files),
        design=DesignSpec(
            features=tuple(use_of(f, "features", files) for f in design["features"]),
            augment=tuple(use_of(a, "augment", files) for a in design["augment"]),
            weights=use_of(design["weights"], "weights", files) if design["weights"] else None,
            codec=use_of(design["codec"], "codecs", files),
            seed=made["seed"],
            fold=made["fold"],
        ),
        task=task_of(made["task"]),
        split=use_of(made["split"], "splits", files),
        stop=made["stop"]["use"],
        stop_folds=made["stop"]["folds"],
        seed_index=made["seed_index"],
        steps=steps,
        device=made["device"],
    )


def _pooled_steps(curves: list[str], store: Store) -> int:
    """Return the step at which the mean of all folds' curves is least (policy `pooled`)."""
    parts = [store.open(key).array("curve") for key in curves]
    length = min(len(p) for p in parts)
    return int(np.argmin(np.mean([p[:length] for p in parts], axis=0))) + 1


def _refit_steps(stage: Stage, store: Store) -> int | None:
    """Return the steps for a fit on all rows: the mean of the folds' steps, grown with the rows; None without steps."""
    use = str(stage.ingredients["model"]["use"])
    use = stage.local["files"].get(use, use)
    if not registry.load("models", use).STEPS:
        return None
    fits = [store.open(key) for key in stage.ingredients["fits"]]
    n = folds_of(store.open(stage.ingredients["folds"])).held.shape[1]
    steps, learnt = (float(np.mean([f.meta[name] for f in fits])) for name in ("best_step", "n_learn"))
    return grown(use, steps, n / learnt)


def _fit(stage: Stage, store: Store, spec: FitSpec, memory: Memory) -> None:
    """Commit a fit: held and test predictions, best step, curve, importances, and the model where it is to be kept."""
    train, test = inputs_of(stage, store)
    folds = folds_of(store.open(stage.ingredients["folds"]))
    shaping = ("design", "task", "split", "stop", "seed", "fold", "x", "columns", "target", "folds", "curves")
    memo = memory.of(key_of({name: stage.ingredients.get(name) for name in shaping}))
    began = time.perf_counter()
    result = fit_all(spec, train, test, memo) if stage.verb == "refit" else fit_fold(spec, train, test, folds, memo)
    arrays = _fit_arrays(stage, spec, result, train, folds)
    meta = {
        "best_step": int(result.best_step),
        "n_learn": result.n_learn,
        "seconds": time.perf_counter() - began,
        "names": list(result.designs.train.names),
        "threads": spec.threads,
        "device": spec.device,
    }
    if "model" not in stage.needs:
        store.commit(stage.key, arrays, meta, stage.ingredients)
        return
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / "model"
        folder.mkdir()
        result.fitted.save(folder)
        saving.save({"features": result.designs.learnt, "codec": result.designs.codec}, folder, "replay")
        store.commit(stage.key, arrays, meta, stage.ingredients, folder)


def _fit_arrays(stage: Stage, spec: FitSpec, result: FoldResult, train: Rows, folds: Folds) -> dict[str, Array | bytes]:
    arrays: dict[str, Array | bytes] = {"held": result.held.mean, "test": result.test.mean, "curve": result.curve}
    if stage.verb == "refit" and result.test.std is not None:
        arrays["test_std"] = result.test.std
    elif result.held.std is not None and (result.test.std is not None or not len(result.test)):
        arrays["held_std"] = result.held.std
        arrays["test_std"] = np.empty(0, np.float32) if result.test.std is None else result.test.std
    for name, pred in (("held", result.held), ("test", result.test)):
        if not np.isfinite(pred.mean).all():
            raise FloatingPointError(f"the model's {name} predictions are not finite")
    gain = result.fitted.importance()
    if gain is not None:
        arrays["gain"] = np.asarray(gain, np.float64)
    if stage.verb == "fit" and train.y is not None:
        y = train.y[folds.is_held(spec.design.fold)]
        rng = stream(spec.design.seed, "importance", spec.design.fold)
        arrays["permutation"] = permutation(result.predict, result.held_design, spec.task, y, gain, rng)
    return arrays


def _oof(stage: Stage, store: Store) -> None:
    """Commit a model's OOF, gathered from its fits (fold by fold, the seeds of each averaged)."""
    made = stage.ingredients
    folds = folds_of(store.open(made["folds"]))
    y = store.open(stage.local["rows"]).array("y")
    fits = [[store.open(key) for key in seeds] for seeds in made["fits"]]
    n_out = task_of(made["task"]).n_out
    pred = np.full((*folds.held.shape, n_out), np.nan, np.float32)
    with_std = all("held_std" in f for seeds in fits for f in seeds)
    std = np.full(folds.held.shape, np.nan, np.float32) if with_std else None
    tests = []
    for k, seeds in enumerate(fits):
        held = _averaged(seeds, "held", with_std, made["average"])
        repeat, mask = k // folds.n_folds, folds.is_held(k)
        pred[repeat, mask] = held.mean
        if std is not None and held.std is not None:
            std[repeat, mask] = held.std
        tests.append(_averaged(seeds, "test", with_std, made["average"]))
    if made["refits"]:
        tests = [_averaged([store.open(key) for key in made["refits"]], "test", with_std, made["average"])]
    test_std = np.stack([t.std for t in tests if t.std is not None]) if with_std else None
    kind = "value" if made["task"]["kind"] == "regression" else "proba"
    test = np.stack([t.mean for t in tests])
    below = [store.open(key).meta for key in made["sources"]]
    peeked = made["peeked"] or any(meta["peeked"] for meta in below)
    transductive = made["transductive"] or any(meta["transductive"] for meta in below)
    oof = Oof(folds.held, y, pred, test, std, test_std, kind, peeked, transductive)  # type: ignore[arg-type]
    save_oof(stage, store, oof, _about(fits))


def _averaged(seeds: list[Stored], part: str, with_std: bool, space: str) -> Pred:
    std = np.stack([f.array(f"{part}_std") for f in seeds]) if with_std else None
    return average(np.stack([f.array(part) for f in seeds]), std, spread=True, space=space)


def _about(fits: list[list[Stored]]) -> dict[str, Any]:
    """Return what a card tells of the fits, in (fold, seed) order; importances averaged over them."""
    flat = [f for seeds in fits for f in seeds]
    about: dict[str, Any] = {
        "best_steps": [f.meta["best_step"] for f in flat],
        "curves": [_plain(f.array("curve")) for f in flat],
        "seconds": sum(f.meta["seconds"] for f in flat),
        "threads": flat[0].meta["threads"],
        "device": flat[0].meta["device"],
        "importances": {},
    }
    for name in ("gain", "permutation"):
        if all(name in f for f in flat) and len({tuple(f.meta["names"]) for f in flat}) == 1:
            mean = np.mean([f.array(name) for f in flat], axis=0)
            about["importances"][name] = dict(zip(flat[0].meta["names"], _plain(mean), strict=True))
    return about


def _plain(values: Array) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _blend(stage: Stage, store: Store) -> None:
    """Commit a blend: its cross-fitted OOF, its test predictions and the weights."""
    made = stage.ingredients
    facts = store.open(stage.local["rows"])
    spec = BlendSpec(
        use_of(made["stacker"], "stackers", stage.local["files"]),
        stage.local["files"].get(made["metric"], made["metric"]),
        task_of(made["task"]),
        made["seed"],
        tuple(stage.local["sources"]),
    )
    began = time.perf_counter()
    sources = [load_oof(store.open(key)) for key in made["sources"]]
    group, test_group, keys = _key(stage, store, facts)
    oof, full = crossfit(spec, sources, facts.array("v"), group, test_group)
    weights = None if full.weights is None else _plain(full.weights)
    about = {"weights": weights, "seconds": time.perf_counter() - began}
    with _saved("combiner", {"combiner": full, "keys": keys}) as folder:
        save_oof(stage, store, oof, about, folder)


def _key(stage: Stage, store: Store, facts: Stored) -> tuple[Ints | None, Ints | None, Array | None]:
    """Return what rows are grouped by in a blend, for training and test rows: the stacker's key, or the groups.

    With a key its distinct values come third: their places are the groups.
    """
    key = stage.ingredients["stacker"]["params"].get("key")
    if key is None:
        return facts.array("group") if "group" in facts else None, None, None
    train, test = inputs_of(stage, store)
    values, codes = np.unique(np.concatenate([train.x[key], test.x[key]]), return_inverse=True, axis=0)
    codes = codes.reshape(-1).astype(np.int64)
    return codes[: len(train)], codes[len(train) :], values


def _submit(stage: Stage, store: Store) -> None:
    """Commit the bytes of a submission."""
    made = stage.ingredients
    facts = store.open(stage.local["rows"])
    task = task_of(made["task"])
    layout = sample.from_meta(made["layout"])
    oof = load_oof(store.open(made["source"]))
    module = registry.load("metrics", stage.local["files"].get(made["metric"], made["metric"]))
    mean = oof.test_mean().mean
    labels = module.decide(task, mean) if module.WANTS == "label" else None
    if labels is not None and task.kind == "regression":
        labels = np.clip(labels, oof.y.min(), oof.y.max())
    ids = table.series_from_arrow(facts.blob("ids/submit"))
    csv = sample.write(layout, task, facts.array("order"), ids, mean, labels)
    store.commit(stage.key, {"csv": csv}, {}, made)


# -- the OOF as an object


def save_oof(stage: Stage, store: Store, oof: Oof, about: Mapping[str, Any], folder: Path | None = None) -> None:
    """Commit an OOF under the stage's key, with the files of `folder`."""
    arrays: dict[str, Array | bytes] = {"fold": oof.fold, "y": oof.y, "pred": oof.pred, "test": oof.test}
    if oof.std is not None and oof.test_std is not None:
        arrays |= {"std": oof.std, "test_std": oof.test_std}
    flags = {"kind": oof.kind, "peeked": oof.peeked, "transductive": oof.transductive}
    store.commit(stage.key, arrays, {**flags, "about": about}, stage.ingredients, folder)


def load_oof(stored: Stored) -> Oof:
    """Return the OOF of a stored object."""
    has_std = "std" in stored
    return Oof(
        fold=stored.array("fold"),
        y=stored.array("y"),
        pred=stored.array("pred"),
        test=stored.array("test"),
        std=stored.array("std") if has_std else None,
        test_std=stored.array("test_std") if has_std else None,
        kind=stored.meta["kind"],
        peeked=stored.meta["peeked"],
        transductive=stored.meta["transductive"],
    )
