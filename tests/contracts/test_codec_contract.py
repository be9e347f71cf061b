"""The battery every target transform must pass: a file in kit/codecs is tested by existing."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import worlds
from worlds import TASKS, World

from kit import registry
from kit.contracts import Codec
from kit.design import Use, build
from kit.types import Pred, Rows, labelled

CODECS = registry.names("codecs")
CASES = [(name, o) for name in CODECS for o in TASKS if TASKS[o].kind in registry.load("codecs", name).TASKS]
REGRESSION = [(n, o) for n, o in CASES if TASKS[o].kind == "regression" and registry.load("codecs", n).EXACT]
K = 1


def learn(use: Use, objective: str, rows: Rows) -> Codec:
    codec: Codec = worlds.module_of(use).learn(use.params, TASKS[objective], rows)
    return codec


def learning(objective: str) -> Rows:
    return worlds.parts(worlds.world(objective), K)[0]


def by_y(objective: str) -> Rows:
    """Return learning rows in the order of y, with one value of the source, so that only y can order them."""
    rows = learning(objective)
    rows = rows.take(np.argsort(labelled(rows), kind="stable"))
    return replace(rows, x={**rows.x, "p": np.ones((len(rows), 4), np.float32)})


def first(rows: Rows, n: int) -> Rows:
    return rows.take(np.arange(n) % len(rows)).blind()


# -- checks, which the cheaters below must fail


def check_blind(use: Use, w: World) -> None:
    """Garbage in the held y changes neither what is learnt from nor how a prediction is read, whatever came before."""
    seen = []
    for case in (w, worlds.spoilt_world(w, K)):
        for k in (K - 1, K):
            spec = worlds.design_spec(k, codec=use)
            made = build(spec, w.task, worlds.parts(case, k)[0], None, worlds.everything(w))
        assert made.train.y is not None
        m = worlds.module_of(use).task(use.params, w.task).n_out
        decoded = made.codec.decode(Pred(np.linspace(0, 3, 9 * m).reshape(9, m), np.ones(9)), first(w.train, 9))
        seen.append((made.train.y.tobytes(), decoded.mean.tobytes(), decoded.std is None or decoded.std.tobytes()))
    assert seen[0] == seen[1], "a held y reaches a codec"


def check_round_trip(use: Use, objective: str) -> None:
    """decode undoes encode on the rows learnt from."""
    rows = learning(objective)
    y, codec = labelled(rows), learn(use, objective, rows)
    back = codec.decode(Pred(codec.encode(rows)[:, None]), rows.blind()).mean[:, 0]
    np.testing.assert_allclose(back, y, atol=1e-4 * (1 + np.ptp(y)), err_msg="decode does not undo encode")


# -- tests


@pytest.mark.parametrize(("name", "objective"), REGRESSION)
def test_decode_undoes_encode(name: str, objective: str) -> None:
    check_round_trip(worlds.plug("codecs", name), objective)


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_held_rows_are_out_of_reach(name: str, objective: str) -> None:
    check_blind(worlds.plug("codecs", name), worlds.world(objective))


@pytest.mark.parametrize(("name", "objective"), CASES)
def test_a_prediction_stays_one(name: str, objective: str) -> None:
    """Shape and finiteness are kept far outside what was learnt; std stays a positive number; no other row counts."""
    use = worlds.plug("codecs", name)
    rows = learning(objective)
    codec, task = learn(use, objective, rows), worlds.module_of(use).task(use.params, TASKS[objective])
    assert isinstance(task.kind, str) and task.objective in TASKS
    encoded = codec.encode(rows)
    assert encoded.shape == (len(rows),) and encoded.dtype == np.float64 and np.isfinite(encoded).all()
    reach = 10 * (1 + np.ptp(encoded))
    mean = np.linspace(-reach, reach, 30 * task.n_out).reshape(-1, task.n_out)
    mean = mean if task.kind == "regression" else np.full_like(mean, 1 / max(2, task.n_out))
    pred = Pred(mean, np.full(len(mean), 0.3))
    seen = first(rows, len(mean))
    decoded = codec.decode(pred, seen)
    assert decoded.mean.shape == (len(mean), TASKS[objective].n_out) and np.isfinite(decoded.mean).all()
    assert decoded.std is None or (np.isfinite(decoded.std).all() and (decoded.std > 0).all())
    two = np.array([2, 0])
    assert worlds.same(codec.decode(worlds.take(pred, two), seen.take(two)), worlds.take(decoded, two))
    assert dataclasses.is_dataclass(codec) and codec.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "objective"), REGRESSION)
def test_more_stays_more(name: str, objective: str) -> None:
    rows = by_y(objective)
    codec = learn(worlds.plug("codecs", name), objective, rows)
    encoded = codec.encode(rows)
    assert (np.diff(encoded) >= 0).all()
    steps = Pred(np.linspace(encoded[0], encoded[-1], 50)[:, None])
    assert (np.diff(codec.decode(steps, first(rows, 50)).mean[:, 0]) >= 0).all()


# -- cheaters


def test_a_codec_that_remembers_is_caught() -> None:
    with pytest.raises(AssertionError, match="a held y reaches a codec"):
        check_blind(worlds.leaky("codecs", "scales_by_all"), worlds.world("squared"))


def test_a_codec_that_forgets_the_way_back_is_caught() -> None:
    with pytest.raises(AssertionError, match="does not undo"):
        check_round_trip(worlds.leaky("codecs", "one_way"), "squared")
