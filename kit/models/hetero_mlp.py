"""Gives a RealMLP-like net with mean and standard deviation: several members trained as one stack of tensors.

On a CPU one thread is used whatever `Run.threads` says: two fits side by side beat one on two threads, and the order
of sums, so the last bits, cannot depend on the machine.
Source: RealMLP (Holzmueller et al. 2024, arXiv 2407.04491); loss names in kit/_mlp/losses.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

import kit.params
from kit.contracts import Run
from kit.errors import DataError, FitError
from kit.models._classes import ClassWeight, check_classes, class_weighted
from kit.params import Tune
from kit.types import Design, Floats, Objective, Task, TaskKind

if TYPE_CHECKING:
    from kit._mlp.encode import Encoder
    from kit._mlp.fitted import FittedMlp, Target
    from kit._mlp.train import Batchable, Job, Outcome, Schedule

LIBS: tuple[str, ...] = ("torch",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "gaussian", "logloss", "softmax")
STEPS = "epochs"
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("class_weight",)
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 4.0

_SAMPLE = 1024
"""Learning rows that the initial weights are fitted to."""

_LR_AND_DECAY = {"regression": (0.05, 0.02), "classes": (0.02, 0.1)}
"""Chosen on holdouts of 5 regression and 6 classification sets."""


class Params(kit.params.Params):
    """A multilayer perceptron for tables; the defaults suit 500 to 100 000 rows."""

    members: Annotated[int, Field(ge=1, le=64)] = 4
    """Nets with their own start and row order, trained at once and averaged. The cost grows in proportion."""

    epochs: Annotated[int, Field(ge=1, le=4096)] = 64
    """Length of the schedule: learning rate and dropout end at 0 there."""

    batch: Annotated[int, Field(ge=0, le=65536)] = 0
    """Rows per step; 0 = by the number of learning rows: 64 up to 1024 rows, 128 to 8192, 256 to 30k, 512, 1024."""

    width: Annotated[int, Field(ge=1, le=4096), Tune(64, 384, log=True)] = 128
    """Neurons of a hidden layer."""

    layers: Annotated[int, Field(ge=1, le=16), Tune(1, 4)] = 3
    """Hidden layers."""

    activation: Annotated[Literal["silu", "mish", "selu"], Tune(choices=("silu", "selu"))] = "silu"
    """Activation, blended with the identity by a learnt share per neuron."""

    lr: Annotated[float | None, Field(gt=0, le=10), Tune(0.01, 0.3, log=True)] = None
    """Highest learning rate (coslog4: four cycles); null = 0.05 for a regression, 0.02 for classes. The NTK
    parametrisation wants far more than the usual 1e-3."""

    weight_decay: Annotated[float | None, Field(ge=0, le=1), Tune(1e-3, 0.5, log=True)] = None
    """Decoupled decay of the weights per unit of lr; constant for half of the epochs, then down to 0. null = 0.02 for
    a regression, 0.1 for classes, which overfit sooner."""

    dropout: Annotated[float, Field(ge=0, le=0.9), Tune(0.0, 0.5)] = 0.15
    """Share of hidden values zeroed in training; constant for half of the epochs, then down to 0."""

    embed_max: Annotated[int, Field(ge=0, le=100_000)] = 128
    """Numeric columns get periodic embeddings if this many or fewer qualify; wider blocks never do. 0 = none."""

    sigma: Annotated[float, Field(gt=0, le=100), Tune(0.02, 2.0, log=True)] = 0.3
    """Spread of the starting frequencies of the periodic embeddings: more = wigglier."""

    loss: Annotated[
        Literal["mse", "nll", "beta_nll", "crps", "nll_mae", "faithful"], Tune(choices=("crps", "beta_nll", "nll_mae"))
    ] = "crps"
    """What a regression is trained on. mse and faithful: the mean by squared error, the others mean and variance
    jointly. crps had the best RMSE and CRPS of these on 5 real sets. Not used for the absolute objective, which trains
    the mean by absolute error."""

    beta: Annotated[float, Field(ge=0, le=1)] = 0.5
    """beta_nll only: 0 = nll, 1 = the mean learns as with mse."""

    variance_lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    """Learning-rate factor of the variance output."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.1)] = 0.0
    """Share of a class label spread over all classes. Helps accuracy at times, hurts logloss."""

    clamp: bool = True
    """Keep regression predictions within the learning rows' target range."""

    class_weight: ClassWeight = None
    """Weight of each class in learning: `balanced`, or {label: weight}; classes not named count 1."""

    patience: Annotated[int | None, Field(ge=1)] = None
    """Epochs without a better stop score before the fit ends; null = the whole schedule."""


@dataclass(frozen=True)
class Data:
    """The learning and stop rows as tensors, with what was learnt from the learning rows to make them."""

    encoder: Encoder
    target: Target
    train: Batchable
    stop: Batchable | None


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the class weights do not fit the task."""
    check_classes(params.class_weight, task)


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the tensors; scales and levels are learnt from the learning rows with w > 0, never from stop rows.

    Raises:
        DataError: no learning row has a weight.
    """
    from kit._mlp.encode import learn

    train = class_weighted(train, task, params.class_weight)
    if not (train.w > 0).any():
        raise DataError("no learning row has a weight above 0", got=f"{len(train)} rows")
    encoder, target = learn(train), _target(task, train)
    rows = _tensors(encoder, target, train, train.w, run.device)
    scored = stop is not None and bool((stop.v > 0).any())
    return Data(encoder, target, rows, _tensors(encoder, target, stop, stop.v, run.device) if stop and scored else None)


def fit(params: Params, task: Task, data: Data, run: Run) -> FittedMlp:
    """Return the net trained on `data`.

    Raises:
        FitError: the weights are not finite at the end.
    """
    import torch

    from kit._mlp.fitted import one_thread
    from kit._mlp.net import initial
    from kit._mlp.train import train

    job = _job(params, task, data, run)
    seed = int(run.rng.integers(2**63 - 1))
    rng = torch.Generator(run.device).manual_seed(seed)
    rows = data.train
    with one_thread():
        sample = torch.randperm(len(rows), generator=rng, device=rng.device)[:_SAMPLE]
        weights = initial(job.layout, rows.x[sample], rows.codes[sample], params.sigma, rng)
        outcome = train(job, weights, rng, run.watch)
        return _fitted(job, data, outcome)


def load(folder: Path) -> FittedMlp:
    """Return the net that `FittedMlp.save` wrote."""
    from kit._mlp.fitted import load

    return load(folder)


def _target(task: Task, train: Design) -> Target:
    from kit._mlp.fitted import Target

    if task.kind != "regression":
        return Target()
    y, w = _y_of(train)[train.w > 0], train.w[train.w > 0]
    centre = float(np.average(y, weights=w))
    scale = float(np.sqrt(np.average((y - centre) ** 2, weights=w)))
    if y.min() == y.max():
        centre, scale = float(y[0]), 0.0
    return Target(centre, scale, float(y.min()), float(y.max()))


def _y_of(design: Design) -> Floats:
    if design.y is None:
        raise DataError("the rows have no target")
    return design.y


def _tensors(encoder: Encoder, target: Target, design: Design, weight: Floats, device: str) -> Batchable:
    """Return the rows of positive weight on the device."""
    import torch

    from kit._mlp.train import Batchable

    kept = np.flatnonzero(weight > 0)
    x, codes = encoder(design)
    arrays = (x[kept], codes[kept], target.encode(_y_of(design)[kept]).astype(np.float32))
    w = (weight[kept] / weight[kept].mean()).astype(np.float32)
    return Batchable(*(torch.from_numpy(a).to(device) for a in (*arrays, w)))


def _job(params: Params, task: Task, data: Data, run: Run) -> Job:
    from kit._mlp.losses import Loss
    from kit._mlp.net import Layout
    from kit._mlp.train import Job

    loss = Loss(task.objective, params.loss, params.beta, params.label_smoothing)
    encoder = data.encoder
    layout = Layout(
        members=params.members,
        plain=int(data.train.x.shape[1]),
        numbers=encoder.n_numbers(params.embed_max),
        levels=encoder.n_codes,
        blanks=encoder.blanks,
        hidden=(params.width,) * params.layers,
        outputs=task.n_out,
        variance=loss.variance,
        activation=params.activation,
    )
    plan = _schedule(params, task, len(data.train), run)
    choose = data.stop is not None and run.steps is None
    return Job(layout, loss, plan, data.train, data.stop, choose, data.target.scale)


def _schedule(params: Params, task: Task, rows: int, run: Run) -> Schedule:
    from kit._mlp.train import Schedule, auto_batch

    lr, decay = _LR_AND_DECAY["regression" if task.kind == "regression" else "classes"]
    return Schedule(
        horizon=params.epochs,
        epochs=params.epochs if run.steps is None else run.steps,
        batch=params.batch or auto_batch(rows),
        lr=lr if params.lr is None else params.lr,
        variance_lr=params.variance_lr,
        decay=decay if params.weight_decay is None else params.weight_decay,
        dropout=params.dropout,
        patience=params.patience,
    )


def _fitted(job: Job, data: Data, outcome: Outcome) -> FittedMlp:
    from kit._mlp.fitted import FittedMlp
    from kit._mlp.train import evaluate

    weights = {name: value.cpu().numpy().copy() for name, value in outcome.weights.items()}
    if not all(np.isfinite(value).all() for value in weights.values()) or outcome.best_step == 0:
        raise FitError("the net diverged", got=f"lr {job.plan.lr}", next="lower lr, or choose the loss crps")
    sigma = evaluate(job, outcome.weights, data.stop or data.train) if job.layout.variance == "none" else 0.0
    return FittedMlp(
        encoder=data.encoder,
        layout=job.layout,
        objective=job.loss.objective,
        target=data.target,
        weights=weights,
        sigma=sigma,
        best_step=outcome.best_step,
        curve=np.array(outcome.curve, np.float64),
    )
