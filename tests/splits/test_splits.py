"""What each splitter promises, on tables small enough to count."""

import numpy as np
import pytest
from pydantic import ValidationError

from kit.canon import stream
from kit.contracts import Assignment
from kit.errors import DataError
from kit.splits import column, group, kfold, leave_one_group_out, stratified, stratified_group, time
from kit.types import Column, Folds, Rows, Task

REGRESSION = Task("regression")
MULTI = Task("multiclass", "softmax", classes=("a", "b", "c"))


def table(n: int, **given: np.ndarray) -> Rows:
    rng = np.random.default_rng(0)
    header = {"fold": Column("numeric"), "code": Column("category", levels=("x", "y", "z")), "vec": Column("vector")}
    x = {k: given.pop(k) for k in list(given) if k in header}
    y = given.pop("y", rng.gamma(1.0, size=n).round(1))
    return Rows(np.arange(n), x, header, y=y, **given)


def folds(assignment: Assignment) -> Folds:
    """Return the folds as the engine builds them, which checks that none is empty and none learns what it holds."""
    held = assignment.held.astype(np.int16)[None]
    return Folds(held, int(held.max()) + 1, assignment.train)


def counts(held: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Return (values, folds) how many rows of each value a fold holds."""
    return np.array([[((held == k) & (of == u)).sum() for k in range(held.max() + 1)] for u in np.unique(of)])


def spread(held: np.ndarray, of: np.ndarray) -> int:
    return int(np.ptp(counts(held, of), axis=1).max())


CASES = [
    (kfold, kfold.Params(folds=4), REGRESSION, {}),
    (stratified, stratified.Params(folds=4), REGRESSION, {}),
    (stratified, stratified.Params(folds=4), MULTI, {"y": np.arange(103.0) % 3}),
    (group, group.Params(folds=4), REGRESSION, {"group": np.arange(103) ** 2 % 17}),
    (stratified_group, stratified_group.Params(folds=4), REGRESSION, {"group": np.arange(103) ** 2 % 17}),
    (
        stratified_group,
        stratified_group.Params(folds=4),
        MULTI,
        {"group": np.arange(103) // 4, "y": np.arange(103.0) % 3},
    ),
    (leave_one_group_out, leave_one_group_out.Params(), REGRESSION, {"group": np.arange(103) % 4}),
    (time, time.Params(folds=4), REGRESSION, {"time": np.arange(103.0) ** 2 % 29}),
    (column, column.Params(column="fold"), REGRESSION, {"fold": np.arange(103.0) % 4}),
]


@pytest.mark.parametrize(("module", "params", "task", "given"), CASES)
def test_folds_are_valid_follow_the_row_and_repeat(module, params, task, given) -> None:
    rows = table(103, **given)
    held = module.assign(params, task, rows, stream(0, "split")).held
    assert len(folds(module.assign(params, task, rows, stream(0, "split")))) == 4
    assert (held == module.assign(params, task, rows, stream(0, "split")).held).all()
    order = np.random.default_rng(3).permutation(103)
    assert (module.assign(params, task, rows.take(order), stream(0, "split")).held == held[order]).all()
    other = module.assign(params, task, rows, stream(1, "split")).held
    together = (held[:, None] == held) != (other[:, None] == other)
    assert together.any() == module.RANDOM


def test_kfold_and_stratified_sizes_differ_by_one() -> None:
    y = np.repeat([0.0, 1.0, 2.0], [70, 30, 3])
    rows = table(103, y=y)
    for module in (kfold, stratified):
        held = module.assign(module.Params(folds=5), MULTI, rows, stream(0, "split")).held
        assert spread(held, np.zeros(103)) == 1
    assert spread(held, y) == 1
    assert np.sort(counts(held, y)[2]).tolist() == [0, 0, 1, 1, 1]


def test_kfold_deals_the_shuffled_rows_out() -> None:
    held = kfold.assign(kfold.Params(folds=5), REGRESSION, table(103), stream(0, "split")).held
    assert (held == stream(0, "split").permutation(np.arange(103) % 5)).all()


def test_stratified_spreads_ranges_and_repeated_values_of_a_number() -> None:
    y = np.concatenate([np.zeros(60), np.linspace(1, 50, 140)])
    held = stratified.assign(stratified.Params(bins=10), REGRESSION, table(200, y=y), stream(0, "split")).held
    assert spread(held, y == 0) == 0
    assert spread(held, np.floor(np.arange(200) / 20) * (y > 0)) <= 1


@pytest.mark.parametrize("module", [kfold, stratified])
def test_more_folds_than_rows_is_an_error(module) -> None:
    with pytest.raises(DataError, match="fewer rows"):
        module.assign(module.Params(folds=5), REGRESSION, table(4), stream(0, "split"))


def test_group_keeps_groups_whole_and_folds_balanced() -> None:
    sizes = np.random.default_rng(0).permutation(np.arange(5, 145))
    of = np.repeat(np.arange(140) * 7 - 300, sizes)
    held = group.assign(group.Params(), REGRESSION, table(len(of), group=of), stream(0, "split")).held
    assert ((counts(held, of) > 0).sum(axis=1) == 1).all()
    # The smallest groups come last and fill the gaps: far below the largest group's 144 rows.
    assert spread(held, np.zeros(len(of))) < 12


@pytest.mark.parametrize("module", [group, stratified_group])
def test_group_errors(module) -> None:
    with pytest.raises(DataError, match="fewer groups"):
        module.assign(module.Params(), REGRESSION, table(20, group=np.arange(20) % 4), stream(0, "split"))
    with pytest.raises(DataError, match="group column"):
        module.assign(module.Params(), REGRESSION, table(20), stream(0, "split"))


def imbalance(held: np.ndarray, of: np.ndarray) -> float:
    """Return the chi-square of the table of folds and values."""
    found = counts(held, of)
    expected = found.sum(axis=1, keepdims=True) / found.shape[1]
    return float(((found - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("seed", range(3))
def test_stratified_group_is_as_even_as_scikit_learn(seed: int) -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(300), rng.zipf(1.7, 300).clip(1, 300))
    shares = rng.dirichlet([0.4, 0.8, 0.1], 300)
    y = np.array([rng.choice(3, p=shares[g]) for g in of]).astype(float)
    rows = table(len(of), group=of, y=y)
    held = stratified_group.assign(stratified_group.Params(), MULTI, rows, stream(0, "split")).held
    theirs = np.empty(len(of), int)
    for k, (_, test) in enumerate(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(of, y, of)):
        theirs[test] = k
    plain = group.assign(group.Params(), MULTI, rows, stream(0, "split")).held
    assert ((counts(held, of) > 0).sum(axis=1) == 1).all()
    assert spread(held, np.zeros(len(of))) < spread(theirs, np.zeros(len(of)))
    assert imbalance(held, y) < 1.15 * imbalance(theirs, y)
    assert imbalance(held, y) < imbalance(plain, y)


def test_stratified_group_of_single_rows_is_stratified() -> None:
    y = np.random.default_rng(0).gamma(1.0, size=500)
    rows = table(500, group=np.arange(500), y=y)
    held = stratified_group.assign(stratified_group.Params(bins=10), REGRESSION, rows, stream(0, "split")).held
    assert spread(held, np.argsort(np.argsort(y)) // 50) <= 1
    assert spread(held, np.zeros(500)) <= 2


def test_leave_one_group_out() -> None:
    of = np.array([7, 7, -2, 30, -2])
    made = leave_one_group_out.assign(leave_one_group_out.Params(), REGRESSION, table(5, group=of), stream(0, "s"))
    assert made.held.tolist() == [1, 1, 0, 2, 0]
    for wrong, match in ((np.zeros(5, np.int64), "1 groups"), (np.arange(1001), "1001 groups")):
        with pytest.raises(DataError, match=match):
            rows = table(len(wrong), group=wrong)
            leave_one_group_out.assign(leave_one_group_out.Params(), REGRESSION, rows, stream(0, "s"))


@pytest.mark.parametrize("module", [stratified, stratified_group])
def test_strata_need_a_target(module) -> None:
    rows = table(20, group=np.arange(20)).blind()
    with pytest.raises(DataError, match="needs the target"):
        module.assign(module.Params(), REGRESSION, rows, stream(0, "split"))


def test_time_learns_from_the_past_only() -> None:
    t = np.random.default_rng(0).permutation(np.repeat(np.arange(100.0), 3))
    got = time.assign(time.Params(folds=3, gap=5, train_window=30), REGRESSION, table(300, time=t), stream(0, "s"))
    assert got.train is not None
    for k, start in enumerate([25, 50, 75]):
        assert sorted(set(t[got.held == k])) == list(range(start, start + 25))
        assert sorted(set(t[got.train[k]])) == list(range(max(start - 30, 0), start - 5))
    assert sorted(set(t[got.held == -1])) == list(range(25))


def test_time_warmup_and_equal_times() -> None:
    t = np.repeat(np.arange(6.0), [50, 2, 90, 1, 1, 1])
    held = time.assign(time.Params(folds=5), REGRESSION, table(145, time=t), stream(0, "s")).held
    assert [set(held[t == u]) for u in range(6)] == [{k} for k in range(-1, 5)]
    even = table(100, time=np.arange(100.0))
    held = time.assign(time.Params(folds=2, warmup=0.6), REGRESSION, even, stream(0, "s")).held
    assert np.bincount(held + 1).tolist() == [60, 20, 20]


def test_time_blocks_of_one_length() -> None:
    t = np.random.default_rng(0).permutation(np.repeat(np.arange(40.0), np.arange(40) + 1))
    got = time.assign(time.Params(folds=3, horizon=7, gap=2), REGRESSION, table(len(t), time=t), stream(0, "s"))
    assert got.train is not None
    for k, start in enumerate([19, 26, 33]):
        assert sorted(set(t[got.held == k])) == list(range(start, start + 7))
        assert sorted(set(t[got.train[k]])) == list(range(start - 2))
    assert (got.held[t < 19] == -1).all()
    with pytest.raises(ValidationError, match="leave out one"):
        time.Params(horizon=7, warmup=0.2)


def test_a_model_of_all_rows_learns_as_long_as_the_folds_do() -> None:
    rows = table(300, time=np.arange(300.0), v=np.arange(300) % 300 != 299)
    params = time.Params(folds=3, gap=5, train_window=30)
    learns = time.lasting(params, rows)
    assert np.flatnonzero(learns).tolist() == list(range(274, 300))
    assert learns[:299].sum() == time.assign(params, REGRESSION, rows, stream(0, "s")).train.sum(axis=1).max()
    assert (
        time.lasting(time.Params(gap=5), rows).all() and time.lasting(params, table(3, time=np.full(3, np.nan))).all()
    )


def test_time_errors() -> None:
    def fails(match: str, time_of: np.ndarray | None, **params: float) -> None:
        rows = table(10) if time_of is None else table(10, time=time_of)
        with pytest.raises(DataError, match=match):
            time.assign(time.Params(folds=3, **params), REGRESSION, rows, stream(0, "s"))

    fails("time column", None)
    fails("null in the time", np.where(np.arange(10) == 4, np.nan, np.arange(10.0)))
    fails("few distinct", np.arange(10.0) % 3)
    fails("no row to learn", np.arange(10.0), gap=9)
    fails("no row to learn", np.arange(10.0), gap=2, train_window=1)
    fails("leaves a block empty", np.arange(10.0), horizon=4)
    fails("leaves a block empty", np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 50]), horizon=2)


def test_column_numbers_folds_in_order_of_value() -> None:
    def held(name: str, values: list[float], dtype: type = float) -> list[int]:
        rows = table(len(values), **{name: np.array(values, dtype)})
        return column.assign(column.Params(column=name), REGRESSION, rows, stream(0, "s")).held.tolist()

    assert held("fold", [20, 3, -1, 7, 3]) == [2, 0, -1, 1, 0]
    assert held("fold", [0, -1, 0]) == [0, -1, 0]
    assert held("code", [2, 0, 2], np.int32) == [1, 0, 1]


def test_column_errors() -> None:
    def fails(match: str, name: str, values: np.ndarray) -> str:
        with pytest.raises(DataError, match=match) as caught:
            rows = table(len(values), **{name: values})
            column.assign(column.Params(column=name), REGRESSION, rows, stream(0, "s"))
        return str(caught.value)

    assert "2 rows, the first [1, 3]" in fails("null in the fold", "fold", np.array([0, np.nan, 1, np.nan]))
    assert "1 rows, the first [2]" in fails("null in the fold", "code", np.array([0, 1, -1], np.int32))
    fails("no row to learn", "fold", np.zeros(3))
    fails("no row to learn", "fold", np.full(3, -1.0))
    fails("no row to learn", "code", np.zeros(3, np.int32))
    fails("vectors", "vec", np.zeros((3, 2), np.float32))
