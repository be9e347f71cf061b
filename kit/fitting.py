"""A fit as its stage describes it: read from the store, handed to THE fold, committed to the store."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from kit import registry, returned, rows, saving
from kit.canon import key_of, stream
from kit.design import DesignSpec, Taught, teaching
from kit.evaluate import Wanted
from kit.evaluating import wanted_in, wanted_of
from kit.fitspec import FitSpec, FoldResult
from kit.fold import fit_all, fit_fold, grown
from kit.folding import folds_of, task_of
from kit.importance import permutation
from kit.memory import Memory
from kit.oof import average
from kit.oofobject import load_oof
from kit.rowgroups import weights_of
from kit.scored import with_extra
from kit.sourced import spoken_of
from kit.stage import Stage, use_of
from kit.stopping import lasting
from kit.store import Store
from kit.types import Array, Floats, Folds, Pred, Rows


def inputs_of(stage: Stage, store: Store) -> tuple[Rows, Rows]:
    """Return the train and test rows a stage reads."""
    made, local = stage.ingredients, stage.local
    return rows.load(store, local["table"], local["rows"], made["columns"], list(made["x"]), made.get("query"))


def folds_for(stage: Stage, store: Store, train: Rows) -> Folds:
    """Return the folds of a stage's training rows, learn-only rows included."""
    use = stage.ingredients["split"]["use"]
    known = folds_of(store.open(stage.ingredients["folds"]))
    return with_extra(known, train, stage.local["files"].get(use, use), stage.ingredients["split"]["params"])


def scoring_weights(stage: Stage, store: Store) -> Floats:
    """Return the scoring weights (n,), with the groups of metrics: those of the declared distribution, if any."""
    declared = stage.ingredients.get("v")
    return weights_of(store.open(stage.local["rows"]), store.open(declared).array("v") if declared else None)


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
            taught={alias: _said(stage, store, key) for alias, key in made.get("taught", {}).items()},
        ),
        task=task_of(made["task"]),
        split=use_of(made["split"], "splits", files),
        stop=made["stop"]["use"],
        stop_folds=made["stop"]["folds"],
        wanted=_wanted(stage, store),
        sources=_sources(stage, store),
        seed_index=made["seed_index"],
        steps=steps,
        device=made["device"],
    )


def _said(stage: Stage, store: Store, source: str) -> Taught:
    """Return what a source's model of a stage's fold says of the rows the fold holds and of test.

    A fit on all rows holds none, and takes what all fold models of the source say of test.
    """
    made, oof = stage.ingredients, load_oof(store.open(source))
    n, t, k = oof.fold.shape[1], oof.test.shape[1], made["fold"]
    if k >= len(oof.test):
        return Taught(np.arange(n, n + t), average(oof.test, oof.test_std), 0)
    folds = folds_of(store.open(made["folds"]))
    held, repeat = np.flatnonzero(folds.is_held(k)), k // folds.n_folds
    mean = np.concatenate([oof.pred[repeat, held], oof.test[k]])
    std = None
    if oof.std is not None and oof.test_std is not None:
        std = np.concatenate([oof.std[repeat, held], oof.test_std[k]])
    return Taught(np.concatenate([held, np.arange(n, n + t)]), Pred(mean, std), len(held))


def _wanted(stage: Stage, store: Store) -> Wanted | None:
    """Return the test distribution that stop rows stand for, as this fold may know it."""
    made = stage.ingredients
    if not made["wanted"]:
        return None
    if key := made["wanted"].get("estimated"):
        return wanted_in(store.open(key), made["fold"])
    return wanted_of(made["wanted"], task_of(made["task"]))


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
    # What a fit that took its sources at their word needed says nothing of what the others need.
    fits = [f for f in fits if not f.meta["at_word"]] or fits
    split = use_of(stage.ingredients["split"], "splits", stage.local["files"])
    train = lasting(split, inputs_of(stage, store)[0])
    n = len(teaching(spoken_of(train, _sources(stage, store), task_of(stage.ingredients["task"]))[0]))
    steps, learnt = (float(np.mean([f.meta[name] for f in fits])) for name in ("best_step", "n_learn"))
    return grown(use, steps, n / learnt)


def _sources(stage: Stage, store: Store) -> tuple[str, ...]:
    """Return the columns that hold predictions of models or blends."""
    return tuple(alias for alias, key in stage.ingredients["columns"].items() if "x" not in store.open(key))


def fit(stage: Stage, store: Store, spec: FitSpec, memory: Memory) -> None:
    """Commit a fit: held and test predictions, best step, curve, importances, and the model where it is to be kept."""
    train, test = inputs_of(stage, store)
    folds = folds_for(stage, store, train)
    shaping = ("design", "task", "split", "stop", "wanted", "seed", "fold", "x", "columns", "target", "folds", "query")
    known = {name: stage.ingredients.get(name) for name in (*shaping, "curves", "taught")}
    memo = memory.of(key_of(known))
    began = time.perf_counter()
    result = fit_all(spec, train, test, memo) if stage.verb == "refit" else fit_fold(spec, train, test, folds, memo)
    arrays = _fit_arrays(stage, spec, result, train, folds)
    taken = ["no learning row has predictions of its sources: it says their mean"] if result.at_word else []
    meta = {
        "at_word": result.at_word,
        "best_step": int(result.best_step),
        "n_learn": result.n_learn,
        "seconds": time.perf_counter() - began,
        "names": list(result.designs.train.names),
        "threads": spec.threads,
        "device": getattr(result.fitted, "device", spec.device),
        "notes": [
            *getattr(result.fitted, "notes", ()),
            *(f"{name} made no rows" for name in result.designs.barren),
            *taken,
        ],
    }
    if "model" not in stage.needs:
        store.commit(stage.key, arrays, meta, stage.ingredients)
        return
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / "model"
        folder.mkdir()
        result.fitted.save(folder)
        if spec.model.use.endswith(".py"):
            returned.kept(
                spec.model.use, result.fitted, registry.load("models", spec.model.use).load(folder), result.held_design
            )
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
    gain = returned.importance(spec.model.use, result.fitted.importance(), len(result.designs.train.names))
    if gain is not None:
        arrays["gain"] = np.asarray(gain, np.float64)
    if stage.verb == "fit" and train.y is not None:
        held = folds.is_held(spec.design.fold)
        design = replace(result.held_design, query=None if train.query is None else train.query[held])
        rng = stream(spec.design.seed, "importance", spec.design.fold)
        arrays["permutation"] = permutation(result.predict, design, spec.task, train.y[held], gain, rng)
    return arrays
