"""One short function per verb of a plan. A stage reads its inputs from the store and commits one object."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import evaluating, registry, rows, sample, saving, table
from kit.canon import stream
from kit.computed import computed
from kit.contracts import Learnt, Watch, never
from kit.crossfit import BlendSpec, crossfit
from kit.design import scope_of
from kit.fitting import fit, inputs_of, scoring_weights, spec_of
from kit.folding import folds_of, task_of
from kit.memory import Memory
from kit.oof import Oof, average, carried, taught
from kit.oofobject import load_oof, save_oof
from kit.owned import own_code
from kit.stage import Stage, use_of
from kit.store import Store, Stored
from kit.types import Array, Floats, Floats32, Ints, Pred, Rows, Task
from kit.vectors import Costly

_MEMORY = Memory()


def run(stage: Stage, store: Store, threads: int = 1, watch: Watch = never, memory: Memory = _MEMORY) -> None:
    """Carry out a stage and commit its result.

    `memory`: what is kept between fits. `watch` follows a fit; where it ends one, `kit.fitspec.Ended` is raised and
    nothing is committed.

    Raises:
        FitError: a file of the user's own raised an error; it names the file, the line and the verb.
    """
    made = stage.ingredients
    if not stage.local.get("files"):
        _carry_out(stage, store, threads, watch, memory)
        return
    if "torch" in made.get("libs", {}):
        import torch  # noqa: F401 - before its random numbers are seeded
    with own_code(stage.verb, *(int(made.get(name, 0)) for name in ("seed", "seed_index", "fold"))):
        _carry_out(stage, store, threads, watch, memory)


def _carry_out(stage: Stage, store: Store, threads: int, watch: Watch, memory: Memory) -> None:
    verbs = {"column": _column, "evaluate": evaluating.run, "oof": _oof, "blend": _blend, "submit": _submit}
    if stage.verb in ("fit", "curve", "refit"):
        fit(stage, store, replace(spec_of(stage, store), threads=threads, watch=watch), memory)
    else:
        verbs[stage.verb](stage, store)


# -- verbs


def _column(stage: Stage, store: Store) -> None:
    """Commit a computed column: x (n + t, d) float32, or (n + t,) numbers or codes with their levels."""
    train, test = inputs_of(stage, store)
    use = use_of(stage.ingredients["feature"], "features", stage.local["files"])
    everything = rows.both(train, test)
    handed = Rows(np.empty(0, np.int64), {}, train.header) if scope_of(use.use, use.params) == "row" else everything
    rng = stream(stage.ingredients["seed"], "column")
    task, module = task_of(stage.ingredients["task"]), registry.load("features", use.use)
    learnt: Learnt = module.learn(use.params, task, handed, rng)
    caller = learnt
    if isinstance(learnt, Costly):
        caller = learnt.placed(store.root / "embeddings", stage.ingredients.get("device", "cpu"))
    column, x = computed(use.use, caller, everything)
    x = rows.by_number(x, everything)
    files: dict[str, Array | bytes] = {"x": x}
    if column.levels:
        files["levels/x"] = table.levels_to_arrow(column.levels)
    meta = {"width": column.width, "kind": column.kind, "levels": len(column.levels)}
    with _saved("learnt", learnt) as folder:
        store.commit(stage.key, files, meta, stage.ingredients, folder)


@contextmanager
def _saved(name: str, value: Any) -> Iterator[Path]:
    """Give a temporary folder of that name in which a learnt thing is saved under it."""
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp) / name
        folder.mkdir()
        saving.save(value, folder, name)
        yield folder


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
    tests, untaught = [], [k for k, seeds in enumerate(fits) if seeds[0].meta["at_word"]]
    for k, seeds in enumerate(fits):
        held = _averaged(seeds, "held", with_std, made["average"])
        repeat, mask = k // folds.n_folds, folds.is_held(k)
        pred[repeat, mask] = held.mean
        if std is not None and held.std is not None:
            std[repeat, mask] = held.std
        tests.append(_averaged(seeds, "test", with_std, made["average"]))
    tests, about = taught(tests, untaught), _about(fits)
    if untaught and len(untaught) < len(fits) and not made["refits"]:
        about["notes"].append(f"test goes by {len(fits) - len(untaught)} of {len(fits)} folds: the rest learnt nothing")
    if made["refits"]:
        tests = [_averaged([store.open(key) for key in made["refits"]], "test", with_std, made["average"])]
    test_std = np.stack([t.std for t in tests if t.std is not None]) if with_std else None
    kind = "value" if made["task"]["kind"] == "regression" else "proba"
    test = np.stack([t.mean for t in tests])
    if made.get("over"):
        test = carried(test, store.open(made["over"]).array("test"))
    below = [store.open(key).meta for key in made["sources"]]
    peeked = made["peeked"] or any(meta["peeked"] for meta in below)
    transductive = made["transductive"] or any(meta["transductive"] for meta in below)
    marks = {"peeked": peeked, "transductive": transductive, "unscaled": made.get("unscaled", False)}
    oof = Oof(folds.held, y, pred, test, std, test_std, kind, **marks)  # type: ignore[arg-type]
    save_oof(stage, store, oof, about)


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
        "notes": _counted(flat),
        "importances": {},
    }
    for name in ("gain", "permutation"):
        if all(name in f for f in flat) and len({tuple(f.meta["names"]) for f in flat}) == 1:
            mean = np.mean([f.array(name) for f in flat], axis=0)
            about["importances"][name] = dict(zip(flat[0].meta["names"], _plain(mean), strict=True))
    return about


def _counted(fits: list[Stored]) -> list[str]:
    """Return what the fits noted, each note once; what not all of them noted with how many did."""
    counts = Counter(note for f in fits for note in dict.fromkeys(f.meta["notes"]))
    return [n if k == len(fits) else f"{n} ({k} of {len(fits)} fits)" for n, k in sorted(counts.items())]


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
    oof, full = crossfit(spec, sources, scoring_weights(stage, store), group, test_group, facts.array("v"))
    oof = replace(oof, transductive=oof.transductive or made.get("transductive", False))
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
    n = len(facts.array("y"))  # learn-only rows stand in no blend
    values, codes = np.unique(np.concatenate([train.x[key][:n], test.x[key]]), return_inverse=True, axis=0)
    codes = codes.reshape(-1).astype(np.int64)
    return codes[:n], codes[n:], values


def decided(metric: str, task: Task, mean: Floats32, y: Floats) -> Floats | None:
    """Return (t,) the labels that a metric decides predictions (t, m) to be, None where it wants none."""
    module = registry.load("metrics", metric)
    if module.WANTS != "label":
        return None
    labels: Floats = module.decide(task, mean)
    return np.clip(labels, y.min(), y.max()) if task.kind == "regression" else labels


def _submit(stage: Stage, store: Store) -> None:
    """Commit the bytes of a submission."""
    made, facts = stage.ingredients, store.open(stage.local["rows"])
    task = task_of(made["task"])
    layout = sample.from_meta(made["layout"])
    oof = load_oof(store.open(made["source"]))
    mean = oof.test_mean().mean
    labels = decided(stage.local["files"].get(made["metric"], made["metric"]), task, mean, oof.y)
    ids = table.series_from_arrow(facts.blob("ids/submit"))
    csv = sample.write(layout, task, facts.array("order"), ids, mean, labels)
    store.commit(stage.key, {"csv": csv}, {}, made)
