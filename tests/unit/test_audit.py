"""The audit finds planted faults, says what cannot be told, and leaves honest pools alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import planted
import pytest

from kit.auditing import Finding, findings
from kit.oof import partition
from kit.paired import Truth

CHECKED = ("error", "warning", "note", "unknown")


@cache
def scene(kind: str) -> tuple[planted.World, list[planted.Suspect]]:
    w = planted.world(kind, 0)
    return w, planted.pool(w)


def loud(found: tuple[Finding, ...]) -> list[Finding]:
    return [f for f in found if f.severity in ("error", "warning")]


def told(fault: planted.Fault) -> tuple[Finding, ...]:
    """Return the findings about a planted fault, of whichever kind: every one says why and what to do."""
    found = findings(fault.truth, fault.sources)
    for f in found:
        assert f.severity in CHECKED
        assert len(f.reason) > 10
        assert len(f.next) > 10
    return found


ONE = [planted.KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in planted.KINDS[1:])]
"""One kind of task; the others where there is time."""


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 20))])
def test_honest_pools_raise_no_alarm(seed):
    """20 pools of 3 tasks, of many and few rows, much and little noise, with and without shift of the test rows."""
    kind = planted.KINDS[seed % 3]
    w = planted.world(
        kind, 100 + seed, n=(250, 400)[seed % 2], noise=(0.3, 0.8, 1.5)[seed % 5 % 3], shift=0.4 * (seed % 3)
    )
    assert loud(findings(w.truth, planted.pool(w, without=("tree", "wide")))) == []


def test_absurd_predictions_of_a_few_test_rows_are_no_other_order() -> None:
    """As of a linear model beyond the data: three rows took the correlation of all away, and that was an error."""
    w, sources = scene("regression")
    test = sources[0].test.copy()
    test[:3] = test.mean() - 200 * test.std()
    said = findings(w.truth, [replace(sources[0], test=test), *sources[1:]])
    assert not [f for f in said if f.check == "shuffled_test"]


def test_probabilities_of_three_digits_may_miss_one() -> None:
    w, sources = scene("multiclass")
    for digits, wrong in ((3, False), (2, True)):
        pred = sources[0].pred.round(digits)
        off = np.abs(pred.sum(axis=1, dtype=np.float64) - 1).max()
        assert off > 0.9e-3, "more than a thousandth is lost"
        said = findings(w.truth, [replace(sources[0], pred=pred), *sources[1:]])
        assert any(f.check == "sum" for f in said) == wrong


@pytest.mark.parametrize("kind", planted.KINDS)
def test_faults_of_the_numbers_are_all_found(kind):
    w, sources = scene(kind)
    for fault in planted.array_faults(w, sources):
        found = told(fault)
        assert fault.caught(found), fault.name
        assert fault.accused(found) == [], fault.name


@pytest.mark.parametrize("kind", ONE)
def test_large_score_faults_are_found(kind):
    """At least 90 % of them, and no sound source is accused."""
    w, sources = scene(kind)
    missed, total = [], 0
    for fault in planted.score_faults(w, sources):
        found = told(fault)
        total += 1
        missed += [] if fault.caught(found) else [fault.name]
        assert fault.accused(found) == [], fault.name
    assert total >= 17
    assert len(missed) <= 0.1 * total, missed


@pytest.mark.parametrize("kind", ONE)
def test_what_cannot_be_told_is_said_and_not_guessed(kind):
    w, sources = scene(kind)
    for fault in planted.hidden_faults(w, sources):
        found = told(fault)
        assert [f.severity for f in found if f.source == "bad" and f.check in fault.expected] == ["unknown"], fault.name
        assert fault.accused(found) == [], fault.name


def test_kit_vouches_for_its_own():
    w, sources = scene("regression")
    assert findings(w.truth, sources) == ()
    other = [replace(s, made_here=False) for s in sources]
    assert {(f.check, f.severity) for f in findings(w.truth, other)} == {("provenance", "unknown")}


def test_worst_comes_first():
    w, sources = scene("regression")
    broken = replace(sources[0], name="z", pred=np.full_like(sources[0].pred, 3.0))
    unknown = replace(sources[1], name="a", fold=None)
    found = findings(w.truth, [unknown, *sources[2:], broken])
    assert found[0].source == "z"
    assert [CHECKED.index(f.severity) for f in found] == sorted(CHECKED.index(f.severity) for f in found)


def test_groups_in_several_folds_are_found():
    w, sources = scene("regression")
    group = np.arange(len(w.y)) // 4
    torn = findings(replace(w.truth, group=group), sources[:2])
    assert {f.check for f in torn} == {"groups"}
    n_torn = sum(len(set(w.fold[group == g])) > 1 for g in range(150))
    assert f"{n_torn} groups" in torn[0].reason
    whole = [replace(s, fold=(group % 5).astype(np.int16)) for s in sources[:2]]
    assert findings(replace(w.truth, group=group), whole) == ()


def test_what_kit_made_is_not_accused_where_an_import_is_too_much_like_it():
    """Wherever it stands: `kit audit` looks in the order of names."""
    w, sources = scene("regression")
    first, second = (replace(s, made_here=False, name="a") for s in sources[:2])
    for bad, check in ((replace(first, test=sources[1].test), "test_copied"), (second, "duplicate")):
        found = loud(findings(w.truth, [bad, *sources[1:]]))
        assert [(f.source, f.check) for f in found] == [("a", check)]


def test_a_fold_that_was_learnt_from_is_named_alone():
    """Beside it the honest folds look bad: they were said to have failed."""
    for kind in planted.KINDS:
        w, sources = scene(kind)
        base = sources[0]
        near = (0.05 * base.pred + 0.95 * w.outputs).astype(np.float32)
        bad = replace(base, name="bad", pred=np.where((w.fold == 2)[:, None], near, base.pred))
        found = [f for f in loud(findings(w.truth, [*sources[1:], bad])) if f.check == "fold_outlier"]
        assert [(f.source, f.reason[:6]) for f in found] == [("bad", "fold 2")], kind
        assert "far less" in found[0].reason


def test_test_predictions_that_go_the_other_way_are_called_so():
    for kind in ("regression", "binary"):
        w, sources = scene(kind)
        bad = replace(sources[0], name="bad", test=1 - sources[0].test)
        found = loud(findings(w.truth, [*sources[1:], bad]))
        assert ("bad", "inverted_test") in {(f.source, f.check) for f in found}
        assert not {f.check for f in found} & {"shuffled_test"}


def test_folds_under_other_numbers_are_the_same_folds():
    w, sources = scene("regression")
    renumbered = replace(sources[1], fold=((w.fold + 2) % 5).astype(np.int16))
    assert findings(w.truth, [sources[0], renumbered, *sources[2:]]) == ()
    np.testing.assert_array_equal(partition(np.array([3, 3, -1, 0, 3], np.int16)), [0, 0, -1, 1, 0])


def test_rows_never_held_are_no_holes():
    w, sources = scene("regression")
    first = np.arange(len(w.y)) < 50
    late = [
        replace(s, fold=np.where(first, -1, s.fold).astype(np.int16), pred=np.where(first[:, None], np.nan, s.pred))
        for s in sources
    ]
    assert findings(w.truth, late) == ()
    by_time = replace(w.truth, group=np.arange(len(w.y)) // 4)
    assert findings(by_time, late) == (), "folds by time hold the later rows of groups that were there before"
    imported = [replace(s, made_here=False) for s in late]
    assert {f.check for f in findings(by_time, imported)} == {"groups", "provenance"}


def test_alone_a_source_is_looked_at_as_far_as_that_goes():
    w, sources = scene("regression")
    base = replace(sources[-1], made_here=False)
    assert {f.check for f in findings(w.truth, [base])} == {"pool", "provenance"}
    shifted = replace(base, pred=np.roll(base.pred, 1, axis=0))
    assert "shifted" in {f.check for f in findings(w.truth, [shifted])}
    seen = np.where((w.fold == 1)[:, None], w.outputs + 0.1 * base.pred, base.pred).astype(np.float32)
    assert "fold_outlier" in {f.check for f in findings(w.truth, [replace(base, pred=seen)])}
    assert "no_test" in {f.check for f in findings(w.truth, [replace(base, test=None)])}


def test_a_strong_source_without_test_predictions_is_asked_for_them():
    w, sources = scene("regression")
    near = (0.8 * w.outputs + 0.2 * sources[-1].pred).astype(np.float32)
    found = findings(w.truth, [*sources, replace(sources[-1], name="x", pred=near, test=None)])
    assert ("x", "too_good", "warning") in {(f.source, f.check, f.severity) for f in found}


@pytest.mark.parametrize(("share", "expected"), [(0.0, []), (0.2, ["too_good"])])
def test_a_leak_of_a_source_unlike_the_others_is_noted(share, expected):
    """Its own noise is on test what a leak would lack there, so that it is no proof; but nobody should miss it."""
    w, sources = scene("binary")
    rng = np.random.default_rng(0)
    pred, test = (np.mean([getattr(s, part) for s in sources], axis=0) for part in ("pred", "test"))
    pred, test = (np.clip(p + rng.normal(size=p.shape) * 0.15, 0, 1) for p in (pred, test))
    bad = replace(
        sources[0],
        name="bad",
        pred=((1 - share) * pred + share * w.outputs).astype(np.float32),
        test=test.astype(np.float32),
    )
    said = [f for f in findings(w.truth, [*sources, bad]) if f.source == "bad"]
    assert [f.check for f in said if f.severity != "unknown"] == expected
    assert all("others together miss" in f.reason for f in said if f.check == "too_good")


def test_predictions_beside_the_target_on_the_whole_are_told():
    w, sources = scene("regression")
    one = sources[0]
    for a, b, said in ((1.0, 0.0, False), (1.0, 0.5, False), (1.0, 1.0, True), (1.0, -1.0, True), (0.04, 0.0, True)):
        level = one.pred.mean() * (1 - a) + b * w.y.std()
        moved = replace(one, pred=one.pred * np.float32(a) + np.float32(level), test=one.test * np.float32(a))
        assert ("scale" in {f.check for f in findings(w.truth, [moved])}) == said, (a, b)


def test_nothing_is_to_be_said_of_nothing():
    truth = Truth(*planted.TASKS["regression"], np.zeros(3), np.ones(3))
    assert findings(truth, []) == ()


def test_many_sources_of_few_rows_do_not_break_it():
    rng = np.random.default_rng(0)
    w = planted.world("regression", 0, n=30)
    sources = [
        planted.Suspect(f"s{i}", (w.outputs + rng.normal(size=(30, 1))).astype(np.float32), w.fold, None, True)
        for i in range(40)
    ]
    assert {f.check for f in findings(w.truth, sources)} == {"no_test"}
