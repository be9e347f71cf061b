"""Options of the net: an ordinary torch net said with them, tilted losses, limits of gradients and variances."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from kit._mlp import losses, net, ops, train
from kit.contracts import Run
from kit.models import hetero_mlp
from kit.types import Array, Block, Design, Floats, Task

REGRESSION = Task("regression")
SMALL: dict[str, Any] = {"members": 2, "epochs": 6, "width": 12, "layers": 2, "lr": 0.05}
PUBLISHED: dict[str, Any] = {
    **{"activation": "gelu", "norm": "layer", "parametrization": "standard", "parametric": False, "front": False},
    **{
        "embed_max": 0,
        "scale": "standard",
        "dropout": 0.13,
        "anneal": False,
        "schedule": "constant",
        "loss": "nll_mae",
    },
    **{"lr": 2e-4, "weight_decay": 3e-6, "beta2": 0.999, "clip_norm": 1.2, "batch": 256, "patience": 7, "members": 1},
    **{"variance_lr": 1.0, "variance_start": -2.0, "variance_bounds": [-12.0, 8.0], "variance_soft": False},
}


def design(x: Array, y: Array | None = None, w: Array | None = None) -> Design:
    block = Block(tuple(f"c{i}" for i in range(x.shape[1])), np.asarray(x, np.float32))
    ones = np.ones(len(x))
    return Design((block,), None if y is None else np.asarray(y, np.float64), ones if w is None else w, ones)


def fit(learn: Design, stop: Design | None = None, task: Task = REGRESSION, **params: Any) -> Any:
    made, run = hetero_mlp.Params(**{**SMALL, **params}), Run(np.random.default_rng(3))
    return hetero_mlp.fit(made, task, hetero_mlp.prepare(made, task, learn, stop, run), run)


def data(n: int = 300, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    return x, np.sin(2 * x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=n)


# -- activation and dropout


@pytest.mark.parametrize("name", list(ops._FORWARD))
@pytest.mark.parametrize("parametric", [True, False])
def test_activations_have_the_right_gradients(name: str, parametric: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 5, 3, dtype=torch.float64, generator=rng, requires_grad=True)
    alpha = torch.rand(2, 1, 3, dtype=torch.float64, generator=rng, requires_grad=True) if parametric else None
    mask = (torch.rand(2, 5, 3, dtype=torch.float64, generator=rng) > 0.3) * 1.4
    plain = ops._FORWARD[name](x)
    expected = (x + alpha * (plain - x) if alpha is not None else plain) * mask
    torch.testing.assert_close(ops.activate(x, alpha, mask, name), expected)
    given = (x, alpha) if alpha is not None else (x,)
    assert torch.autograd.gradcheck(lambda *a: ops.activate(a[0], a[1] if len(a) > 1 else None, mask, name), given)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    drop = ops.Dropper(0.25, torch.Generator().manual_seed(0))
    masks = torch.stack([m for _ in range(20) if (m := drop.mask(torch.Size([4, 50, 30]))) is not None])
    assert (masks == 0).float().mean() == pytest.approx(0.25, abs=0.005)
    assert masks.mean() == pytest.approx(1.0, abs=0.01)
    assert not torch.equal(masks[0], masks[1])
    # Two masks agree no more often than chance: 0.25^2 + 0.75^2.
    agree = (masks[:-1] == masks[1:]).float().mean()
    assert agree == pytest.approx(0.625, abs=0.02)
    assert ops.Dropper(0.001, torch.Generator()).mask(torch.Size([3])) is None


# -- an ordinary net of torch


def torch_net(d: int, fitted: Any) -> torch.nn.Sequential:
    """Return the net of torch with the weights of a fitted one of one member."""
    layers: list[torch.nn.Module] = []
    for i, width in enumerate(fitted.layout.hidden):
        layers += [torch.nn.Linear(d, width), torch.nn.LayerNorm(width), torch.nn.GELU()]
        part = {"weight": fitted.weights[f"layer{i}.w"][0].T, "bias": fitted.weights[f"layer{i}.b"][0, 0]}
        layers[-3].load_state_dict({k: torch.from_numpy(v) for k, v in part.items()})
        part = {"weight": fitted.weights[f"norm{i}.g"][0, 0], "bias": fitted.weights[f"norm{i}.b"][0, 0]}
        layers[-2].load_state_dict({k: torch.from_numpy(v) for k, v in part.items()})
        d = width
    return torch.nn.Sequential(*layers)


def test_the_published_net_is_what_torch_makes_of_it() -> None:
    x, y = data(500)
    fitted = fit(design(x, y), **{**PUBLISHED, "hidden": [16, 8, 4], "epochs": 3, "clamp": False})
    assert fitted.layout.hidden == (16, 8, 4)
    assert set(fitted.weights) == {
        *(f"{kind}{i}.{part}" for i in range(3) for kind, parts in (("layer", "wb"), ("norm", "gb")) for part in parts),
        *("head.w", "head.b", "var.w", "var.b"),
    }
    trunk = torch_net(3, fitted)
    scaled = torch.from_numpy(((x - x.mean(0)) / x.std(0)).astype(np.float32))
    h = trunk(scaled).detach().numpy()
    mean = h @ fitted.weights["head.w"][0] + fitted.weights["head.b"][0]
    log_var = np.clip(h @ fitted.weights["var.w"][0] + fitted.weights["var.b"][0], -12, 8)[:, 0]
    pred = fitted.predict(design(x))
    np.testing.assert_allclose(pred.mean, mean * y.std() + y.mean(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(pred.std, np.exp(log_var / 2) * y.std(), rtol=1e-4)
    assert np.median(log_var) == pytest.approx(-2.0, abs=1.0), "started elsewhere"


def test_one_step_of_the_published_net_is_one_step_of_torch() -> None:
    """The same start, one batch of all rows: AdamW, its decay, the clipped gradient and the loss are torch's own."""
    x, y = data(64)
    how = {**PUBLISHED, "hidden": [8], "dropout": 0.0, "batch": 64, "lr": 0.01, "weight_decay": 0.1, "clip_norm": 0.05}
    start = fit(design(x, y), **{**how, "lr": 1e-10, "weight_decay": 0.0, "epochs": 1})
    after = fit(design(x, y), **{**how, "epochs": 1})
    trunk = torch_net(3, start)
    heads = []
    for name in ("head", "var"):
        heads.append(torch.nn.Linear(8, 1))
        part = {"weight": start.weights[f"{name}.w"][0].T, "bias": start.weights[f"{name}.b"][0, 0]}
        heads[-1].load_state_dict({k: torch.from_numpy(v) for k, v in part.items()})
    everything = torch.nn.ModuleList([trunk, *heads])
    optimiser = torch.optim.AdamW(everything.parameters(), lr=0.01, weight_decay=0.1)
    scaled = torch.from_numpy(((x - x.mean(0)) / x.std(0)).astype(np.float32))
    target = torch.from_numpy(((y - y.mean()) / y.std()).astype(np.float32))
    h = trunk(scaled)
    error, log_var = target - heads[0](h)[:, 0], heads[1](h)[:, 0].clamp(-12, 8)
    loss = (0.45 * 0.5 * (log_var + error**2 * torch.exp(-log_var)) + 0.55 * error.abs()).mean()
    loss.backward()
    assert torch.nn.utils.clip_grad_norm_(everything.parameters(), 0.05) > 0.05
    optimiser.step()
    np.testing.assert_allclose(after.weights["layer0.w"][0].T, trunk[0].weight.detach(), atol=2e-5)
    np.testing.assert_allclose(after.weights["norm0.g"][0, 0], trunk[1].weight.detach(), atol=2e-5)
    np.testing.assert_allclose(after.weights["head.w"][0].T, heads[0].weight.detach(), atol=2e-5)
    np.testing.assert_allclose(after.weights["var.b"][0, 0], heads[1].bias.detach(), atol=2e-5)


def test_a_longer_limit_of_gradients_changes_nothing_and_members_are_clipped_apart() -> None:
    grads = {"a": torch.zeros(2, 3), "b": torch.zeros(2, 1, 2)}
    grads["a"].grad = torch.tensor([[3.0, 0, 0], [0.3, 0, 0]])
    grads["b"].grad = torch.tensor([[[4.0, 0]], [[0, 0.4]]])
    train._clip(grads, 1.0)
    assert grads["a"].grad[0, 0].item() == pytest.approx(0.6, rel=1e-5)
    assert grads["b"].grad[0, 0, 0].item() == pytest.approx(0.8, rel=1e-5)
    assert grads["a"].grad[1, 0].item() == pytest.approx(0.3) and grads["b"].grad[1, 0, 1].item() == pytest.approx(0.4)


def test_variance_bounds_hold_softly_and_hard() -> None:
    raw = torch.linspace(-40, 40, 81)
    layout = net.Layout(1, 1, 0, 0, (), (4,), 1, "joint", "silu", log_var=(-5.0, 3.0))
    soft, hard = net.bounded(layout, raw), net.bounded(replace(layout, soft=False), raw)
    assert soft.min() >= -5.001 and soft.max() <= 3 + 1e-5 and (soft.diff() >= -1e-6).all()
    assert (hard == raw.clamp(-5, 3)).all()
    assert abs(float(soft[40]) - 0.0) < 0.1


# -- schedules


@pytest.mark.parametrize("name", list(train.COURSES))
def test_courses_stay_between_zero_and_one(name: Any) -> None:
    values = np.array([train.COURSES[name](t) for t in np.linspace(0, 1, 201)])
    assert values.min() >= -1e-12 and values.max() <= 1 and values.max() > 0.99
    assert values[-1] == pytest.approx(1.0 if name == "constant" else 0.0, abs=1e-9)


# -- balanced losses


def test_bmc_is_the_published_cross_entropy() -> None:
    rng = torch.Generator().manual_seed(0)
    mean, y = torch.randn(2, 7, generator=rng), torch.randn(2, 7, generator=rng)
    log_var = torch.full((2, 7), 0.4)
    got = losses.balanced(mean, log_var, y, torch.zeros(2, 7))
    for f in range(2):
        logits = -((mean[f][:, None] - y[f][None, :]) ** 2) / (2 * np.exp(0.4))
        expected = torch.nn.functional.cross_entropy(logits, torch.arange(7), reduction="none")
        torch.testing.assert_close(got[f], expected - np.log(7))


def test_a_balanced_loss_for_the_learning_distribution_is_the_plain_one() -> None:
    """Where the wanted density is that of the rows the correction is the same for every prediction."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=20_000)
    tilt = torch.from_numpy(0.5 * y**2).float()[None]  # - log of the normal density, up to a constant
    means, shape = torch.linspace(-1, 1, 5), (1, 5)
    at = torch.from_numpy(y[:5]).float().expand(shape)
    log_var = torch.full(shape, -2.0)
    others = losses.balanced(means[None], log_var, at, torch.zeros(shape)) - losses.gaussian_nll(at - means, log_var)
    big = torch.from_numpy(y).float()[None]
    distance = (big[:, None] - means[None, :, None]).square() * (-log_var)[:, :, None].exp()
    correction = torch.logsumexp(tilt[:, None] - 0.5 * distance, dim=2) - 0.5 * log_var
    assert float(correction.std()) < 0.05
    assert others.shape == shape


def skewed(n: int, seed: int) -> tuple[Array, Floats]:
    """Rows whose y is mostly high, as in the judge competition; x tells y with noise."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.97, rng.uniform(8, 10, n), rng.uniform(0, 8, n))
    return np.stack([y + 2.0 * rng.normal(size=n), rng.normal(size=n)], axis=1), y


def test_balanced_losses_predict_for_the_declared_distribution() -> None:
    x, y = skewed(1200, 0)
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 10, 600)
    test = np.stack([truth + 2.0 * rng.normal(size=600), rng.normal(size=600)], axis=1)

    def rmse(**params: Any) -> float:
        pred = fit(design(x, y), epochs=25, width=24, **params).predict(design(test)).mean[:, 0]
        return float(np.sqrt(np.mean((pred - truth) ** 2)))

    plain = rmse(loss="nll")
    for loss in ("balanced", "bmc"):
        balanced = rmse(loss=loss, density={"edges": [0, 10], "shares": [1]})
        assert balanced < 0.8 * plain, loss
        same = rmse(loss=loss, density={"edges": [0, 8, 10], "shares": [0.03, 0.97]})
        assert same > 1.2 * balanced, f"{loss}: the density has no effect"


def test_balanced_losses_stop_on_themselves() -> None:
    (x, y), (x2, y2) = skewed(300, 0), skewed(200, 1)
    fitted = fit(design(x, y), design(x2, y2), loss="balanced")
    assert fitted.best_step == 1 + int(np.argmin(fitted.curve))
    params = hetero_mlp.Params(**SMALL, loss="balanced")
    made = hetero_mlp.prepare(params, REGRESSION, design(x, y), design(x2, y2), Run(np.random.default_rng(3)))
    assert made.train.tilt is not None and made.stop is not None and made.stop.tilt is not None
    plain = hetero_mlp.prepare(
        params.model_copy(update={"loss": "nll"}), REGRESSION, design(x, y), None, Run(np.random.default_rng(3))
    )
    assert plain.train.tilt is None


@pytest.mark.parametrize(
    ("density", "says"),
    [
        ({"edges": [0, 1], "shares": [1, 2]}, "one more than shares"),
        ({"edges": [1, 0], "shares": [1]}, "must rise"),
        ({"edges": [0, 1], "shares": [0]}, "not all be 0"),
    ],
)
def test_densities_that_say_nothing_are_refused(density: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        hetero_mlp.Params(density=density)
    with pytest.raises(ValidationError, match="variance_bounds must rise"):
        hetero_mlp.Params(variance_bounds=[3, -3])


# -- every option with every other


OPTIONS: dict[str, list[Any]] = {
    "loss": ["mse", "nll", "beta_nll", "crps", "nll_mae", "faithful", "balanced", "bmc"],
    "activation": ["silu", "mish", "selu", "gelu", "relu", "tanh"],
    "norm": ["none", "layer"],
    "parametrization": ["ntk", "standard"],
    "parametric": [True, False],
    "front": [True, False],
    "schedule": ["coslog4", "cosine", "one_cycle", "constant"],
    "scale": ["asinh", "robust", "standard", "none"],
    "scale_y": [True, False],
    "clip_norm": [0.0, 1.0],
    "embed_max": [0, 128],
    "members": [1, 3],
    "anneal": [True, False],
    "objective": ["squared", "absolute", "gaussian", "logloss", "softmax"],
}


def cover() -> list[dict[str, Any]]:
    """Return cases in which every pair of values of two options meets."""
    todo = {((a, x), (b, y)) for a, b in itertools.combinations(OPTIONS, 2) for x in OPTIONS[a] for y in OPTIONS[b]}
    cases = []
    while todo:
        case = dict(min(todo, key=str))
        for name in (n for n in OPTIONS if n not in case):
            gain = {
                v: sum(((n, w), (name, v)) in todo or ((name, v), (n, w)) in todo for n, w in case.items())
                for v in OPTIONS[name]
            }
            case[name] = max(gain, key=lambda v, gain=gain: gain[v])
        case = {n: case[n] for n in OPTIONS}
        todo -= set(itertools.combinations(case.items(), 2))
        cases.append(case)
    return cases


@pytest.mark.parametrize("case", cover(), ids=lambda c: "-".join(map(str, c.values())))
def test_options_go_together(case: dict[str, Any], tmp_path: Any) -> None:
    """Finite, the same again, the same when loaded, whatever the stop rows' company."""
    task = {
        "logloss": Task("binary", "logloss", ("n", "y"), "y"),
        "softmax": Task("multiclass", "softmax", ("a", "b", "c")),
    }.get(case["objective"], Task("regression", case["objective"]))
    x, y = data(80)
    label = np.digitize(y, [0.0] if task.kind == "binary" else [-0.5, 0.5]) * 1.0
    y = y if task.kind == "regression" else label
    given = {k: v for k, v in case.items() if k != "objective"} | {"epochs": 3, "width": 6, "lr": 0.003}
    learn, stop = design(x[:60], y[:60]), design(x[60:], y[60:])
    fitted = fit(learn, stop, task, **given)
    pred, again = fitted.predict(design(x)), fit(learn, stop, task, **given).predict(design(x))
    assert np.isfinite(pred.mean).all() and (pred.std is None or (pred.std > 0).all())
    assert pred.mean.tobytes() == again.mean.tobytes()
    fitted.save(tmp_path)
    loaded = hetero_mlp.load(tmp_path)
    assert loaded.layout == fitted.layout
    assert loaded.predict(design(x)).mean.tobytes() == pred.mean.tobytes()
