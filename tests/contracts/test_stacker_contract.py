"""The battery every stacker must pass: a file in kit/stackers is tested by existing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import worlds
from worlds import TASKS

from kit import registry
from kit.crossfit import BlendSpec, applied, crossfit, fitted
from kit.design import Use
from kit.oof import Oof
from kit.panel import Panel
from kit.types import Floats, Ints

STACKERS = registry.names("stackers")
OF_KIND = {"regression": "squared", "binary": "logloss", "multiclass": "softmax"}
METRICS = {"squared": ("rmse", "mae"), "logloss": ("logloss", "auc"), "softmax": ("logloss", "accuracy")}
N, T, FOLDS = 120, 15, 3


def modules(name: str) -> Any:
    return registry.load("stackers", name)


CASES = [(name, OF_KIND[kind]) for name in STACKERS for kind in modules(name).TASKS]
SEVERAL = [(name, objective) for name, objective in CASES if modules(name).SOURCES[1] > 1]


def truth(objective: str) -> tuple[Floats, Floats]:
    """Return y (n,), whole numbers, and v (n,)."""
    rng = np.random.default_rng(3)
    top = {"squared": 9, "logloss": 2, "softmax": 3}[objective]
    return rng.integers(0, top, N).astype(np.float64), rng.uniform(0.5, 1.5, N)


def source(objective: str, noise: float, seed: int, repeats: int = 1, with_std: bool = False) -> Oof:
    """Return predictions that miss y by `noise`; 0 = a perfect source."""
    rng, task = np.random.default_rng(seed), TASKS[objective]
    y, _ = truth(objective)
    fold = np.stack([np.random.default_rng(90 + r).permutation(N) % FOLDS for r in range(repeats)]).astype(np.int16)
    y_test = rng.integers(0, int(y.max()) + 1, T).astype(np.float64)

    def preds(true: Floats, layers: int) -> Any:
        if task.kind == "regression":
            return true[None, :, None] + noise * rng.normal(size=(layers, len(true), 1))
        hot = (true[:, None] == np.arange(len(task.classes))).astype(np.float64)
        raw = np.clip(hot[None] + noise * rng.normal(size=(layers, *hot.shape)), 0.001, None)
        p = raw / raw.sum(axis=2, keepdims=True)
        return p[:, :, 1:] if task.kind == "binary" else p

    kind = "value" if task.kind == "regression" else "proba"
    oof = Oof(
        fold, y, preds(y, repeats).astype(np.float32), preds(y_test, FOLDS * repeats).astype(np.float32), kind=kind
    )
    if not with_std:
        return oof
    std, test_std = (rng.uniform(0.5, 1.5, p.shape[:2]).astype(np.float32) for p in (oof.pred, oof.test))
    return replace(oof, std=std, test_std=test_std)


def sources(use: Use, objective: str, perfect: int | None = None, **given: Any) -> list[Oof]:
    """Return as many noisy sources as the stacker takes, up to 4; number `perfect` makes no mistakes."""
    count = max(worlds.module_of(use).SOURCES[0], min(4, worlds.module_of(use).SOURCES[1]))
    return [source(objective, 0.0 if s == perfect else 0.4 + 0.2 * s, 20 + s, **given) for s in range(count)]


def blend(
    use: Use, objective: str, made: list[Oof], v: Floats | None = None, group: Ints | None = None, metric: str = ""
) -> tuple[Oof, Floats | None]:
    spec = spec_of(use, objective, made, metric)
    oof, full = crossfit(spec, made, truth(objective)[1] if v is None else v, group)
    return oof, full.weights


def spec_of(use: Use, objective: str, made: list[Oof], metric: str = "") -> BlendSpec:
    names = tuple(f"s{i}" for i in range(len(made)))
    return BlendSpec(use, metric or METRICS[objective][0], TASKS[objective], worlds.SEED, names)


def bits(oof: Oof) -> tuple[bytes, ...]:
    return tuple(b"" if a is None else a.tobytes() for a in (oof.pred, oof.std, oof.test, oof.test_std))


# -- checks, which the cheaters below must fail


def check_blind(use: Use, objective: str, metric: str = "", k: int = 1, **given: Any) -> None:
    """Garbage in the y and v of fold k leaves the blend of fold k's rows as it is, to the bit."""
    made = sources(use, objective, **given)
    y, v = truth(objective)
    held = made[0].fold[0] == k
    other_y, other_v = y.copy(), np.where(held, 9 - v, v)
    other_y[held] = 20 - 3 * y[held] if objective == "squared" else (y[held] + 1) % len(TASKS[objective].classes)
    before, _ = blend(use, objective, made, v, metric=metric)
    after, _ = blend(use, objective, [replace(s, y=other_y) for s in made], other_v, metric=metric)
    assert before.pred[0, held].tobytes() == after.pred[0, held].tobytes(), "a held y reaches the blend"
    if before.std is not None and after.std is not None:
        assert before.std[0, held].tobytes() == after.std[0, held].tobytes(), "a held y reaches the blend's std"


def check_rows_alone(use: Use, objective: str) -> None:
    """A fitted combiner treats a row as it would treat it alone."""
    made = sources(use, objective, with_std=True)
    spec = spec_of(use, objective, made)
    panel = Panel(spec.task, made, truth(objective)[1], None)
    combiner = fitted(spec, panel)
    whole = applied(spec, combiner, panel, None, np.arange(N))
    part = applied(spec, combiner, panel, None, np.arange(0, N, 2))
    np.testing.assert_array_equal(part.mean, whole.mean[::2], err_msg="a row's blend depends on the others")


# -- tests


@pytest.mark.parametrize(("name", "objective"), CASES)
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("with_std", [False, True])
def test_held_rows_are_out_of_reach(name: str, objective: str, which: int, with_std: bool) -> None:
    check_blind(worlds.plug("stackers", name), objective, METRICS[objective][which], with_std=with_std)


@pytest.mark.parametrize(("name", "objective"), CASES)
@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("with_std", [False, True])
def test_the_blend_is_an_oof(name: str, objective: str, repeats: int, with_std: bool) -> None:
    use, task = worlds.plug("stackers", name), TASKS[objective]
    made = sources(use, objective, repeats=repeats, with_std=with_std)
    kept = [bits(s) for s in made]
    group = np.arange(N) // 4
    oof, weights = blend(use, objective, made, group=group)
    assert oof.pred.shape == (repeats, N, task.n_out) and np.isfinite(oof.pred).all()
    per_fold = modules(name).LINEAR or modules(name).PER_FOLD
    assert oof.test.shape == (FOLDS * repeats if per_fold else 1, T, task.n_out) and np.isfinite(oof.test).all()
    assert oof.std is None or (np.isfinite(oof.std).all() and (oof.std > 0).all())
    assert weights is None or (weights.shape == (len(made),) and np.isfinite(weights).all())
    if oof.kind == "proba":
        assert oof.pred.min() >= 0 and oof.pred.max() <= 1 + 1e-6
        if task.kind == "multiclass":
            np.testing.assert_allclose(oof.pred.sum(axis=2), 1, atol=1e-5)
    assert [bits(s) for s in made] == kept, "the sources were changed"
    assert bits(blend(use, objective, made, group=group)[0]) == bits(oof), "a second blend differs"


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_rows_with_gaps_and_no_weight_are_taken(name: str, objective: str) -> None:
    """Rows never held have no prediction; rows of weight 0 have no say."""
    use = worlds.plug("stackers", name)
    warmup = np.arange(N) < 10
    made = [
        replace(
            s,
            fold=np.where(warmup, -1, s.fold).astype(np.int16),
            pred=np.where(warmup[:, None], np.nan, s.pred).astype(np.float32),
        )
        for s in sources(use, objective)
    ]
    y, v = truth(objective)
    v = np.where(np.arange(N) % 5 == 0, 0.0, v)
    oof, _ = blend(use, objective, made, v)
    assert np.isnan(oof.pred[0, warmup]).all() and np.isfinite(oof.pred[0, ~warmup]).all()
    other = np.where((v == 0) & ~warmup, y.max() - y, y)
    again, _ = blend(use, objective, [replace(s, y=other) for s in made], v)
    np.testing.assert_allclose(again.pred, oof.pred, atol=1e-5)


def error(oof: Oof, objective: str) -> float:
    task = TASKS[objective]
    true = oof.y[:, None] == np.arange(task.n_out) if task.kind == "multiclass" else oof.y[:, None]
    return float(np.sqrt(((oof.pred[0] - true) ** 2).mean()))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_perfect_source_is_found(name: str, objective: str) -> None:
    """What learns from y, or takes one source only, all but keeps a source without mistakes."""
    use = worlds.plug("stackers", name)
    made = sources(use, objective, perfect=0)
    oof, _ = blend(use, objective, made)
    y, _ = truth(objective)
    flipped = y.max() - y
    learns = bits(blend(use, objective, [replace(s, y=flipped) for s in made])[0]) != bits(oof)
    if len(made) == 1 or learns:
        noise = error(source(objective, 0.4, 20), objective)
        assert error(oof, objective) < 0.2 * noise
    else:
        assert error(oof, objective) < error(made[-1], objective), "worse than the worst of its sources"


@pytest.mark.parametrize(("name", "objective"), SEVERAL)
def test_the_order_of_sources_does_not_count(name: str, objective: str) -> None:
    use = worlds.plug("stackers", name)
    made = sources(use, objective)
    order = [2, 0, 3, 1][: len(made)]
    oof, weights = blend(use, objective, made)
    other, permuted = blend(use, objective, [made[i] for i in order])
    np.testing.assert_allclose(other.pred, oof.pred, atol=2e-5)
    np.testing.assert_allclose(other.test, oof.test, atol=2e-5)
    if weights is not None and permuted is not None:
        np.testing.assert_allclose(permuted, weights[order], atol=1e-5)


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_row_is_blended_alone(name: str, objective: str) -> None:
    check_rows_alone(worlds.plug("stackers", name), objective)


@pytest.mark.parametrize("name", [s for s in STACKERS if modules(s).LINEAR])
def test_linear_means_averages_commute(name: str) -> None:
    for objective in (o for s, o in CASES if s == name):
        use = worlds.plug("stackers", name)
        made = sources(use, objective)
        layered, _ = blend(use, objective, made)
        once, _ = blend(use, objective, [replace(s, test=s.test.mean(axis=0, keepdims=True)) for s in made])
        np.testing.assert_allclose(layered.test_mean().mean, once.test_mean().mean, atol=1e-5)


# -- cheaters


def test_a_stacker_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches the blend"):
        check_blind(worlds.leaky("stackers", "remembers_z"), "squared")


def test_a_stacker_that_ranks_its_batch_is_caught() -> None:
    with pytest.raises(AssertionError, match="depends on the others"):
        check_rows_alone(worlds.leaky("stackers", "ranks_its_batch"), "squared")


def test_a_stacker_that_digs_finds_nothing() -> None:
    """Neither the arrays it is handed nor the context lead to rows it may not see."""
    use = worlds.leaky("stackers", "digs")
    check_blind(use, "squared", with_std=True)
    found = worlds.module_of(use).FOUND
    seen = N - N // FOLDS
    assert len(found) > FOLDS and set(found) <= {seen, N}, "an array that leads to more rows than were handed over"
    assert found.count(N) == 2 * len(worlds.module_of(use).ARRAYS), "only the two final fits see every row"
