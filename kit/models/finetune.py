"""Trains a text model (BERT and its kin) on the target itself, with the numbers and categories beside its texts.

It reads the tokens that the feature `tokens` makes, and trains the model they are of. On a CPU a small model on some
thousand short texts takes minutes a fold; larger ones want a GPU. Sources: kit/_finetune/train.py; loss names in
kit/_mlp/losses.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kit._finetune.params import TextNetParams
from kit.contracts import Run
from kit.errors import DataError, FitError, RecipeError
from kit.models import _gpu as gpu
from kit.models._classes import ClassWeight, check_classes, class_weighted
from kit.types import Design, Floats, Objective, Task, TaskKind, labelled

if TYPE_CHECKING:
    from kit._finetune.body import Net, Shape
    from kit._finetune.fitted import FittedText
    from kit._finetune.rows import Places
    from kit._finetune.train import Job, Labelled, Precision
    from kit._mlp.encode import Encoder
    from kit._mlp.fitted import Target
    from kit._mlp.losses import Loss
    from kit._mlp.train import Outcome

LIBS: tuple[str, ...] = ("torch", "transformers")
TASKS: tuple[TaskKind, ...] = ("regression", "binary", "multiclass")
OBJECTIVES: tuple[Objective, ...] = ("squared", "absolute", "gaussian", "logloss", "softmax")
STEPS = "epochs"
STEP_GROWS = False
DATA_PARAMS: tuple[str, ...] = ("class_weight",)
DEVICES: tuple[str, ...] = ("cpu", "cuda")
COST = 150.0
READS_TOKENS = True


class Params(TextNetParams):
    """A pretrained text model, trained further; the defaults suit some hundred to some ten thousand texts."""

    class_weight: ClassWeight = None
    """Weight of each class in learning: `balanced`, or {label: weight}; classes not named count 1."""


@dataclass(frozen=True)
class Data:
    """The learning and stop rows as a text model reads them, with what was learnt from the learning rows."""

    folder: str
    places: Places
    encoder: Encoder
    target: Target
    train: Labelled
    stop: Labelled | None
    padding: int
    width: int


def check(params: Params, task: Task) -> None:
    """Raise RecipeError where the class weights do not fit the task."""
    check_classes(params.class_weight, task)


def prepare(params: Params, task: Task, train: Design, stop: Design | None, run: Run) -> Data:
    """Return the rows; scales and levels are learnt from the learning rows with w > 0, never from stop rows.

    Raises:
        RecipeError: no feature makes tokens, or they are of several models.
        DataError: no learning row has a weight.
    """
    from kit._finetune.cost import config_of, size_of
    from kit._finetune.rows import places_of
    from kit._mlp.encode import learn
    from kit._mlp.fitted import target_of

    folder = _text_model(train)
    train = class_weighted(train, task, params.class_weight)
    if not (train.w > 0).any():
        raise DataError("no learning row has a weight above 0", got=f"{len(train)} rows")
    places, size = places_of(train), size_of(Path(folder))
    padding = int(config_of(Path(folder)).get("pad_token_id") or 0)
    encoder, target = learn(places.beside(train)), target_of(task, labelled(train), train.w)
    device = gpu.torch(run)

    def rows(design: Design, weight: Floats) -> Labelled:
        from kit._finetune.rows import encode
        from kit._finetune.train import weighed

        kept = np.flatnonzero(weight > 0)
        texts = encode(design, places, encoder, padding).at(kept)
        return weighed(texts, target.encode(labelled(design)[kept]), weight[kept], device)

    scored = stop is not None and bool((stop.v > 0).any())
    watched = rows(stop, stop.v) if stop is not None and scored else None
    return Data(folder, places, encoder, target, rows(train, train.w), watched, padding, size.width)


def fit(params: Params, task: Task, data: Data, run: Run) -> FittedText:
    """Return the model trained on `data`.

    Raises:
        RecipeError: the text model cannot be read.
        FitError: the weights are not finite at the end.
    """
    import torch

    from kit._finetune.body import pretrained
    from kit._finetune.train import train
    from kit._mlp.fitted import threads

    job = _job(params, task, data, run)
    device = job.plan.device
    with threads(params.threads), torch.random.fork_rng(devices=[0] if device == "cuda" else []):
        torch.manual_seed(int(run.rng.integers(2**63 - 1)))
        net = pretrained(Path(data.folder), _shape(params, task, data, job.loss)).to(device)
        outcome = train(job, net, run.rng, run.watch)
        return _fitted(params, job, data, (net, outcome), run)


def load(folder: Path) -> FittedText:
    """Return the model that `FittedText.save` wrote."""
    from kit._finetune.fitted import load

    return load(folder)


def _text_model(design: Design) -> str:
    """Return the folder of the text model whose tokens a design holds."""
    folders = list(dict.fromkeys(block.text_model for block in design.blocks if block.text_model))
    if len(folders) != 1:
        rule, advice = "finetune reads the tokens of one text model", "add the feature tokens to its features"
        several = "a model for each of them; a blend puts them together"
        got = f"{len(folders)} text models" if folders else "no tokens"
        raise RecipeError(rule, got=got, next=several if folders else advice)
    return folders[0]


def _loss(params: Params, task: Task) -> Loss:
    from kit._mlp.losses import Loss

    return Loss(task.objective, params.loss, params.beta, params.label_smoothing, params.mae_share)


def _job(params: Params, task: Task, data: Data, run: Run) -> Job:
    from kit._finetune.train import Job, Plan, usual_lr

    device = data.train.y.device.type
    plan = Plan(
        horizon=params.epochs,
        epochs=params.epochs if run.steps is None else run.steps,
        batch=params.batch,
        lr=params.lr if params.lr is not None else usual_lr(data.width),
        head_lr=params.head_lr,
        layer_decay=params.layer_decay,
        decay=params.weight_decay,
        warmup=params.warmup,
        clip=params.clip_norm,
        frozen=params.freeze,
        inner_dropout=bool(task.classes) if params.inner_dropout is None else params.inner_dropout,
        patience=params.patience,
        precision=_precision(params, device),
        device=device,
    )
    choose = data.stop is not None and run.steps is None
    return Job(plan, _loss(params, task), data.train, data.stop, choose, data.target.scale)


def _precision(params: Params, device: str) -> Precision:
    import torch

    if params.precision != "auto":
        return params.precision
    return "bfloat16" if device == "cuda" and torch.cuda.is_bf16_supported() else "float32"


def _shape(params: Params, task: Task, data: Data, loss: Loss) -> Shape:
    from kit._finetune.body import Shape

    texts = data.train.texts
    return Shape(
        numbers=texts.x.shape[1],
        codes=texts.codes.shape[1],
        levels=data.encoder.n_codes,
        outputs=task.n_out,
        variance=loss.variance,
        pooling=params.pooling,
        hidden=params.hidden,
        dropout=params.dropout,
    )


def _fitted(params: Params, job: Job, data: Data, made: tuple[Net, Outcome], run: Run) -> FittedText:
    from kit._finetune.fitted import FittedText, weights_of
    from kit._finetune.train import evaluate

    net, outcome = made
    weights = weights_of(outcome.weights)
    if not all(np.isfinite(value).all() for value in weights.values()) or outcome.best_step == 0:
        raise FitError("the text model diverged", got=f"lr {job.plan.lr}", next="lower lr")
    net.load_state_dict(outcome.weights)
    sigma = evaluate(job, net, data.stop or data.train) if net.shape.variance == "none" else 0.0
    fell = run.device != job.plan.device
    return FittedText(
        config=json.dumps({**net.config.to_dict(), "_name_or_path": ""}),  # not where it lay on this machine
        shape=net.shape,
        places=data.places,
        encoder=data.encoder,
        objective=job.loss.objective,
        target=data.target,
        weights=weights,
        sigma=sigma,
        padding=data.padding,
        best_step=outcome.best_step,
        curve=np.array(outcome.curve, np.float64),
        device=job.plan.device,
        precision=job.plan.precision,
        threads=params.threads,
        notes=("torch has no GPU support here: trained on the CPU",) if fell else (),
    )
