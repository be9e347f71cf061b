"""Gives a RealMLP-like net with mean and standard deviation: several members trained as one stack of tensors.

On a CPU `threads` of its own params are used whatever `Run.threads` says: two fits side by side beat one on two
threads, and the order of sums, so the last bits, cannot depend on how a run is carried out. Source: RealMLP
(Holzmueller et al. 2024, arXiv 2407.04491); loss names in kit/_mlp/losses.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit._mlp.params import NetParams
from kit.contracts import Run
from kit.errors import DataError, FitError
from kit.models import _gpu as gpu
from kit.models._classes import ClassWeight, check_classes, class_weighted
from kit.types import Design, Floats, Objective, Task, TaskKind, labelled

if TYPE_CHECKING:
    from kit._mlp.encode import Encoder
    from kit._mlp.fitted import FittedMlp, Target
    from kit._mlp.losses import Loss
    from kit._mlp.net import Layout
    from kit._mlp.train import Batchable, Job, Outcome, Schedule

LIBS: tuple[str, ...] = ("torch",)
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "gaussian", "logloss", "softmax")
STEPS = "epochs"
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("class_weight", "scale", "scale_y", "density", "loss")
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 4.0

_SAMPLE = 1024
"""Learning rows that the initial weights are fitted to."""

_LR_AND_DECAY = {"regression": (0.05, 0.02), "classes": (0.02, 0.1)}
"""Chosen on holdouts of 5 regression and 6 classification sets."""

_LEAST_DENSITY = 1e-3
"""Of the mean density: y that the wanted distribution lacks must not tilt a loss without bound."""


class Params(NetParams):
    """A multilayer perceptron for tables; the defaults suit 500 to 100 000 rows."""

    class_weight: ClassWeight = None
    """Weight of each class in learning: `balanced`, or {label: weight}; classes not named count 1."""


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
    from kit._mlp.fitted import target_of

    train = class_weighted(train, task, params.class_weight)
    if not (train.w > 0).any():
        raise DataError("no learning row has a weight above 0", got=f"{len(train)} rows")
    encoder = learn(train, params.scale)
    target = target_of(task, labelled(train), train.w, params.scale_y)
    maker = _Maker(params, task, encoder, target, gpu.torch(run))
    scored = stop is not None and bool((stop.v > 0).any())
    return Data(encoder, target, maker(train, train.w), maker(stop, stop.v) if stop is not None and scored else None)


def fit(params: Params, task: Task, data: Data, run: Run) -> FittedMlp:
    """Return the net trained on `data`.

    Raises:
        FitError: the weights are not finite at the end.
    """
    import torch

    from kit._mlp.fitted import threads
    from kit._mlp.net import Start, initial
    from kit._mlp.train import train

    job = _job(params, task, data, run)
    seed = int(run.rng.integers(2**63 - 1))
    rows = data.train
    rng = torch.Generator(rows.x.device).manual_seed(seed)
    with threads(params.threads):
        sample = torch.randperm(len(rows), generator=rng, device=rng.device)[:_SAMPLE]
        start = Start(params.sigma, params.variance_start)
        weights = initial(job.layout, rows.x[sample], rows.codes[sample], start, rng)
        outcome = train(job, weights, rng, run.watch)
        return _fitted(job, data, outcome, run)


def load(folder: Path) -> FittedMlp:
    """Return the net that `FittedMlp.save` wrote."""
    from kit._mlp.fitted import load

    return load(folder)


@dataclass(frozen=True)
class _Maker:
    """Makes tensors of rows of positive weight."""

    params: Params
    task: Task
    encoder: Encoder
    target: Target
    device: str

    def __call__(self, design: Design, weight: Floats) -> Batchable:
        import torch

        from kit._mlp.train import Batchable

        kept = np.flatnonzero(weight > 0)
        x, codes = self.encoder(design)
        y, w = labelled(design)[kept], weight[kept] / weight[kept].mean()
        arrays = [x[kept], codes[kept], self.target.encode(y).astype(np.float32), w.astype(np.float32)]
        if self._tilts:
            arrays.append((np.log(w) - _log_density(self.params, y)).astype(np.float32))
        return Batchable(*(torch.from_numpy(a).to(self.device) for a in arrays))

    @property
    def _tilts(self) -> bool:
        return _loss(self.params, self.task).tilts


def _log_density(params: Params, y: Floats) -> Floats:
    """Return (n,) the log of the wanted density at y, up to a constant."""
    if params.density is None:
        return np.zeros(len(y))
    edges, shares = np.array(params.density.edges), np.array(params.density.shares)
    density = shares / np.diff(edges)
    density = np.maximum(density / density.mean(), _LEAST_DENSITY)
    place = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, len(shares) - 1)
    return np.asarray(np.log(density[place]))


def _loss(params: Params, task: Task) -> Loss:
    from kit._mlp.losses import Loss

    return Loss(task.objective, params.loss, params.beta, params.label_smoothing, params.mae_share)


def _job(params: Params, task: Task, data: Data, run: Run) -> Job:
    from kit._mlp.train import Job

    layout = _layout(params, task, data)
    plan = _schedule(params, task, len(data.train), run)
    choose = data.stop is not None and run.steps is None
    return Job(layout, _loss(params, task), plan, data.train, data.stop, choose, data.target.scale)


def _layout(params: Params, task: Task, data: Data) -> Layout:
    from kit._mlp.net import Layout

    return Layout(
        members=params.members,
        plain=int(data.train.x.shape[1]),
        numbers=data.encoder.n_numbers(params.embed_max),
        levels=data.encoder.n_codes,
        blanks=data.encoder.blanks,
        hidden=params.hidden or (params.width,) * params.layers,
        outputs=task.n_out,
        variance=_loss(params, task).variance,
        activation=params.activation,
        parametric=params.parametric,
        norm=params.norm,
        ntk=params.parametrization == "ntk",
        front=params.front,
        log_var=params.variance_bounds,
        soft=params.variance_soft,
    )


def _schedule(params: Params, task: Task, rows: int, run: Run) -> Schedule:
    from kit._mlp.train import Schedule, auto_batch

    lr, decay = _LR_AND_DECAY["regression" if task.kind == "regression" else "classes"]
    return Schedule(
        horizon=params.epochs,
        epochs=params.epochs if run.steps is None else run.steps,
        batch=params.batch or auto_batch(rows),
        lr=lr if params.lr is None else params.lr,
        course=params.schedule,
        variance_lr=params.variance_lr,
        decay=decay if params.weight_decay is None else params.weight_decay,
        dropout=params.dropout,
        anneal=params.anneal,
        beta2=params.beta2,
        clip=params.clip_norm,
        patience=params.patience,
        precision=params.precision,
    )


def _fitted(job: Job, data: Data, outcome: Outcome, run: Run) -> FittedMlp:
    from kit._mlp.fitted import FittedMlp
    from kit._mlp.train import evaluate

    weights = {name: value.cpu().numpy().copy() for name, value in outcome.weights.items()}
    if not all(np.isfinite(value).all() for value in weights.values()) or outcome.best_step == 0:
        raise FitError("the net diverged", got=f"lr {job.plan.lr}", next="lower lr, or choose the loss crps")
    sigma = evaluate(job, outcome.weights, data.stop or data.train) if job.layout.variance == "none" else 0.0
    device = data.train.x.device.type
    fell = run.device != device
    return FittedMlp(
        encoder=data.encoder,
        layout=job.layout,
        objective=job.loss.objective,
        target=data.target,
        weights=weights,
        sigma=sigma,
        best_step=outcome.best_step,
        curve=np.array(outcome.curve, np.float64),
        device=device,
        notes=("torch has no GPU support here: trained on the CPU",) if fell else (),
    )
