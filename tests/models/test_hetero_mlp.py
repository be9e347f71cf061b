"""The net plug-in: encoding, losses, schedules, stopping, hostile columns, saving."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kit._mlp import encode, losses, train
from kit.contracts import Run
from kit.errors import DataError, FitError
from kit.models import hetero_mlp
from kit.types import Array, Block, Design, Pred, Task

REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")
THREE = Task("multiclass", "softmax", ("a", "b", "c"))
SMALL = {"members": 2, "epochs": 12, "width": 16, "layers": 2, "lr": 0.1}


def design(
    x: Array, y: Array | None = None, w: Array | None = None, categories: dict[str, int] | None = None
) -> Design:
    names = tuple(f"c{i}" for i in range(x.shape[1]))
    block = Block(names, np.asarray(x, np.float32), categories or {})
    ones = np.ones(len(x))
    return Design((block,), None if y is None else np.asarray(y, np.float64), ones if w is None else w, ones)


def fit(task: Task, learn: Design, stop: Design | None = None, run: Run | None = None, **params: object) -> object:
    run = run or Run(np.random.default_rng(3))
    chosen = hetero_mlp.Params(**{**SMALL, **params})
    return hetero_mlp.fit(chosen, task, hetero_mlp.prepare(chosen, task, learn, stop, run), run)


def wave(n: int, seed: int = 0) -> tuple[Array, Array]:
    """Rows whose noise is ten times larger where the second column is positive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    noise = np.where(x[:, 1] > 0, 0.5, 0.05)
    return x, np.sin(2 * x[:, 0]) + noise * rng.normal(size=n)


def same(a: Pred, b: Pred) -> bool:
    return a.mean.tobytes() == b.mean.tobytes() and (a.std is None or a.std.tobytes() == b.std.tobytes())


def test_encoder_scales_robustly_and_flags_missing_values() -> None:
    column = np.array([0.0, 1.0, 2.0, 3.0, 4.0, np.nan])
    rows = design(np.array([[2.0], [4.0], [np.nan], [np.inf], [-np.inf]]))
    x, codes = encode.learn(design(column[:, None]), "robust")(rows)
    z = (4.0 - 2.0) / 2.0
    expected = [[0, 0], [z / np.sqrt(1 + (z / 3) ** 2), 0], [0, 1], [3, 0], [-3, 0]]
    np.testing.assert_allclose(x, expected, rtol=1e-5)
    assert codes.shape == (5, 0)


def test_far_values_still_differ_for_a_net_and_infinity_is_finite() -> None:
    column = np.array([0.0] * 5 + [1.0, 2.0, 3.0, 200.0, 20_000.0])
    learnt = encode.learn(design(column[:, None]))
    x, _ = learnt(design(np.array([[0.0], [1.0], [200.0], [20_000.0], [np.inf], [-np.inf]])))
    z = (np.array([0.0, 1.0, 200.0, 20_000.0]) - learnt.centre) * learnt.factor
    far = 3 * np.arcsinh(1e6 / 3)
    np.testing.assert_allclose(x[:, 0], [*(3 * np.arcsinh(z / 3)), far, -far], rtol=1e-5)
    assert x[3, 0] - x[2, 0] > 3


def test_a_net_of_an_older_kit_draws_far_values_in_below_three() -> None:
    arrays = encode.learn(design(np.arange(9.0)[:, None])).arrays() | {"soft": np.array([True])}
    x, _ = encode.Encoder.from_arrays(arrays)(design(np.array([[1e9]])))
    assert x.tolist() == [[pytest.approx(3.0)]]


def test_encoder_sends_foreign_and_missing_codes_to_the_other_slot() -> None:
    small = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], float)
    large = np.array([*range(11), 0], float)
    learnt = encode.learn(design(np.stack([small, large], axis=1), categories={"c0": 4, "c1": 20}))
    x, codes = learnt(design(np.array([[2, 10], [3, 11], [np.nan, np.nan], [99, 99], [-1, -1]], float)))
    assert x.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert codes.ravel().tolist() == [11, 0, 0, 0, 0]
    assert learnt.n_codes == 12 and learnt.blanks == (0,)


def test_encoder_ignores_rows_without_weight() -> None:
    x = np.array([[0.0], [1.0], [2.0], [1e9]])
    with_weight = encode.learn(design(x, w=np.array([1.0, 1.0, 1.0, 0.0])))
    assert with_weight.centre.tolist() == [1.0]


def test_losses_equal_their_definitions() -> None:
    y, mu, sd = 0.7, 0.2, 0.4
    r, nll = y - mu, np.log(sd) + 0.5 * ((y - mu) / sd) ** 2
    grid = np.linspace(-6, 6, 400_001)
    normal = torch.distributions.Normal(mu, sd).cdf(torch.from_numpy(grid)).numpy()
    crps = np.sum((normal - (grid >= y)) ** 2) * (grid[1] - grid[0])
    expected = {
        "nll": nll,
        "beta_nll": sd * nll,
        "crps": crps,
        "nll_mae": 0.45 * nll + 0.55 * r,
        "faithful": 0.5 * r**2 + nll,
    }
    out, log_var = torch.tensor([[[mu]]]), torch.tensor([[2 * np.log(sd)]])
    for name, value in expected.items():
        loss = losses.Loss("squared", name)(out, log_var, torch.tensor([[y]]))
        assert float(loss) == pytest.approx(value, rel=1e-4), name


def test_mixture_adds_the_spread_of_the_members() -> None:
    out, log_var = torch.tensor([[[1.0]], [[3.0]]]), torch.log(torch.tensor([[2.0], [4.0]]))
    mean, variance = losses.combine("squared", out, log_var)
    assert variance is not None
    assert (float(mean), float(variance)) == (2.0, pytest.approx(3.0 + 1.0))


def test_schedules_have_four_cycles_and_end_at_zero() -> None:
    ends = [(2**k - 1) / 15 for k in range(5)]
    peaks = [(2 ** (k + 0.5) - 1) / 15 for k in range(4)]
    assert [train.coslog4(t) for t in ends] == pytest.approx([0] * 5, abs=1e-12)
    assert [train.coslog4(t) for t in peaks] == pytest.approx([1] * 4)
    assert [train.flat_cos(t) for t in (0.0, 0.49, 0.75, 1.0)] == pytest.approx([1, 1, 0.5, 0])


def test_learns_mean_and_noise() -> None:
    (x, y), (far, truth) = wave(1500), wave(500, seed=1)
    pred = fit(REGRESSION, design(x, y), epochs=40).predict(design(far))
    assert np.sqrt(np.mean((pred.mean[:, 0] - truth) ** 2)) < 0.5 * truth.std()
    loud = far[:, 1] > 0
    assert np.median(pred.std[loud]) > 3 * np.median(pred.std[~loud])


def test_a_constant_sigma_is_the_residual_of_the_stop_rows() -> None:
    (x, y), (x2, y2) = wave(300), wave(200, seed=1)
    fitted = fit(REGRESSION, design(x, y), design(x2, y2), loss="mse", clamp=False)
    pred = fitted.predict(design(x2))
    rms = np.sqrt(np.mean((pred.mean[:, 0] - y2) ** 2))
    np.testing.assert_allclose(pred.std, rms, rtol=1e-4)


@pytest.mark.parametrize("task", [BINARY, THREE])
def test_classes_get_probabilities_that_beat_the_share(task: Task) -> None:
    x, y = wave(600)
    label = np.digitize(y, [0.0] if task is BINARY else [-0.5, 0.5]).astype(float)
    fitted = fit(task, design(x[:400], label[:400]), design(x[400:500], label[400:500]))
    p = fitted.predict(design(x[500:])).mean
    assert p.shape == (100, task.n_out) and ((p > 0) & (p < 1)).all()
    full = np.concatenate([1 - p, p], axis=1) if task is BINARY else p
    np.testing.assert_allclose(full.sum(axis=1), 1, rtol=1e-5)
    picked = full[np.arange(100), label[500:].astype(int)]
    shares = np.bincount(label[:400].astype(int)) / 400
    assert np.log(picked).mean() > np.log(shares[label[500:].astype(int)]).mean() + 0.2


def test_absolute_objective_finds_the_median_and_squared_the_mean() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(800, 1)), rng.exponential(size=800) ** 2
    median, mean = (
        float(fit(Task("regression", objective), design(x, y), epochs=30, loss="mse").predict(design(x)).mean.mean())
        for objective in ("absolute", "squared")
    )
    assert median == pytest.approx(np.median(y), abs=0.3)
    assert mean == pytest.approx(y.mean(), abs=0.3)


def test_same_seed_gives_the_same_bytes_whatever_the_threads() -> None:
    x, y = wave(500)
    first, second, other = (
        fit(REGRESSION, design(x, y), run=Run(np.random.default_rng(seed), threads=threads)).predict(design(x))
        for seed, threads in ((5, 1), (5, 2), (6, 1))
    )
    assert same(first, second)
    assert not same(first, other)


def test_rows_without_weight_do_not_count() -> None:
    x, y = wave(200)
    spoilt = y.copy()
    spoilt[150:] = 1e6
    w = np.r_[np.ones(150), np.zeros(50)]
    run = [Run(np.random.default_rng(1)) for _ in range(2)]
    dropped = fit(REGRESSION, design(x, spoilt, w), run=run[0]).predict(design(x))
    absent = fit(REGRESSION, design(x[:150], y[:150]), run=run[1]).predict(design(x))
    assert same(dropped, absent)


def test_weights_move_the_mean() -> None:
    x, y = np.zeros((200, 1)), np.r_[np.zeros(100), np.ones(100)]
    w = np.r_[np.ones(100), np.full(100, 9.0)]
    fitted = fit(REGRESSION, design(np.random.default_rng(0).normal(size=x.shape), y, w), loss="mse", epochs=30)
    assert float(fitted.predict(design(x)).mean.mean()) == pytest.approx(0.9, abs=0.05)


def test_the_best_epoch_is_kept_and_watch_ends_the_fit() -> None:
    (x, y), (x2, y2) = wave(100), wave(100, seed=1)
    seen: list[tuple[int, float]] = []

    def watch(step: int, score: float) -> bool:
        seen.append((step, score))
        return step == 7

    fitted = fit(REGRESSION, design(x, y), design(x2, y2), Run(np.random.default_rng(3), watch), clamp=False)
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5, 6, 7]
    assert fitted.curve.tolist() == [score for _, score in seen]
    assert fitted.best_step == 1 + int(np.argmin(fitted.curve))
    rmse = np.sqrt(np.mean((fitted.predict(design(x2)).mean[:, 0] - y2) ** 2))
    assert rmse == pytest.approx(fitted.curve.min(), rel=1e-4)


def test_steps_follow_the_same_schedule_without_stop_rows() -> None:
    x, y = wave(60)[0], np.random.default_rng(1).normal(size=60)
    stopped = fit(REGRESSION, design(x, y), design(x, -y))
    assert stopped.best_step < SMALL["epochs"]
    for stop in (None, design(x, y)):
        again = fit(REGRESSION, design(x, y), stop, Run(np.random.default_rng(3), steps=stopped.best_step))
        assert again.best_step == stopped.best_step
        assert same(stopped.predict(design(x)), again.predict(design(x)))


def test_patience_ends_the_fit() -> None:
    x, noise = wave(60)[0], np.random.default_rng(1).normal(size=60)
    fitted = fit(REGRESSION, design(x, noise), design(x, -noise), patience=2, epochs=50)
    assert len(fitted.curve) == fitted.best_step + 2 < 50


def hostile(n: int) -> Array:
    """Numbers, a constant, nothing but NaN, infinities, huge values, two values, a single level and many levels."""
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(n, 9))
    columns[:, 1] = 7.0
    columns[:, 2] = np.nan
    columns[::3, 3], columns[1::3, 3] = np.inf, -np.inf
    columns[:, 4] *= 1e30
    columns[:, 5] = columns[:, 5] > 0
    columns[::5, 6] = np.nan
    columns[:, 7] = 0
    columns[:, 8] = np.arange(n) % 25
    return columns


@pytest.mark.parametrize(("task", "n"), [(REGRESSION, 30), (BINARY, 30), (THREE, 301)])
def test_hostile_columns_give_finite_predictions(task: Task, n: int) -> None:
    x, categories = hostile(n), {"c7": 1, "c8": 40}
    y = np.arange(n) % 3 if task is THREE else (np.arange(n) % 2) * 1.0
    fitted = fit(task, design(x, y, categories=categories), batch=4096)
    foreign = np.where(np.arange(9) >= 7, 1e6, x[::-1])
    foreign[3] = np.nan
    pred = fitted.predict(design(foreign, categories=categories))
    assert np.isfinite(pred.mean).all() and (pred.std is None or (np.isfinite(pred.std) & (pred.std > 0)).all())


@pytest.mark.parametrize("d", [1, 2500])
def test_one_and_many_columns(d: int) -> None:
    x = np.random.default_rng(0).normal(size=(60, d))
    pred = fit(REGRESSION, design(x, x[:, 0] * 1e6), epochs=3, width=8).predict(design(x))
    assert np.isfinite(pred.mean).all() and pred.std.mean() > 1e4


def test_no_usable_column_predicts_the_mean() -> None:
    y = np.arange(40.0)
    pred = fit(REGRESSION, design(np.ones((40, 2)), y), loss="mse", epochs=4).predict(design(np.ones((3, 2))))
    np.testing.assert_allclose(pred.mean[:, 0], y.mean(), atol=2.0)


def test_a_constant_target_is_predicted_exactly() -> None:
    x = wave(50)[0]
    pred = fit(REGRESSION, design(x, np.full(50, 123.5))).predict(design(x))
    assert (pred.mean == 123.5).all() and (pred.std > 0).all()


@pytest.mark.parametrize("task", [REGRESSION, THREE])
def test_saved_net_predicts_the_same_bytes(task: Task, tmp_path: Path) -> None:
    x = hostile(90)
    y = np.arange(90) % 3 * 1.0
    learn = design(x, y, categories={"c7": 1, "c8": 40})
    fitted = fit(task, learn, learn)
    fitted.save(tmp_path)
    back = hetero_mlp.load(tmp_path)
    assert same(fitted.predict(learn), back.predict(learn))
    assert (back.best_step, back.curve.tolist()) == (fitted.best_step, fitted.curve.tolist())


def test_prediction_of_a_row_does_not_depend_on_its_company() -> None:
    x, y = wave(300)
    fitted = fit(REGRESSION, design(x, y))
    whole = fitted.predict(design(np.tile(x, (10, 1))))
    single = fitted.predict(design(x[:1]))
    np.testing.assert_allclose(whole.mean[0], single.mean[0], rtol=1e-4, atol=1e-5)


def test_stop_rows_teach_the_scales_nothing() -> None:
    (x, y), (x2, y2) = wave(80), wave(40, seed=1)
    run = Run(np.random.default_rng(0))
    plain, shifted = (
        hetero_mlp.prepare(hetero_mlp.Params(), REGRESSION, design(x, y), stop, run)
        for stop in (design(x2, y2), design(1e3 * x2, 1e3 * y2))
    )
    assert plain.target == shifted.target
    assert plain.encoder.factor.tobytes() == shifted.encoder.factor.tobytes()


def test_nothing_to_learn_from_and_divergence_are_told() -> None:
    x, y = wave(40)
    with pytest.raises(DataError, match="weight"):
        fit(REGRESSION, design(x, y, np.zeros(40)))
    with pytest.raises(FitError, match="diverged"):
        fit(REGRESSION, design(x, y * np.nan))
