"""From learning rows to the matrices a learner sees: augmentation, features, weights and codec, all inside the fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kit import registry, returned
from kit.canon import stream
from kit.contracts import Codec, Fitted, Learnt, Scope
from kit.errors import RecipeError
from kit.owned import file_of, locked
from kit.params import Params, SourceName, refs
from kit.types import Block, Design, Floats, Ints, Pred, Rows, Task, labelled


@dataclass(frozen=True)
class Use:
    """A plug-in with its resolved params: what is left of a recipe's entry once names are gone."""

    kind: str
    use: str
    params: Params


@dataclass(frozen=True)
class Taught:
    """What a model of the same fold says of rows without y: those held, then those of test. `row`: their numbers (p,);
    `n_held`: how many are held."""

    row: Ints
    pred: Pred
    n_held: int


@dataclass(frozen=True)
class DesignSpec:
    """How matrices are made from rows. `seed` and `fold` name the random streams.

    `taught`: source of labels, as params name it -> what it says of rows of which no y is seen.
    """

    features: tuple[Use, ...]
    augment: tuple[Use, ...]
    weights: Use | None
    codec: Use
    seed: int
    fold: int
    taught: Mapping[str, Taught] = field(default_factory=dict)


@dataclass(frozen=True)
class Designs:
    """Matrices of one fold: what is learnt from, what is stopped on, and how to make the same of other rows.

    `synthetic`: the rows below the `n_real` real ones that are `teaching`, without columns. `counted`: which of all
    these rows are those of `train`, the ones to which a weighting gives no weight of 0. `barren`: augmenters that made
    none.
    """

    train: Design
    stop: Design | None
    codec: Codec
    learnt: tuple[Learnt, ...]
    n_real: int
    counted: Ints
    synthetic: tuple[Rows, ...] = ()
    barren: tuple[str, ...] = ()

    def of(self, rows: Rows) -> Design:
        """Return the design of rows to predict, without y."""
        return Design(tuple(block_of(feature, rows) for feature in self.learnt), None, rows.w, rows.v)


def build(spec: DesignSpec, task: Task, learn: Rows, stop: Rows | None, everything: Rows) -> Designs:
    """Return the designs of a fold from its learning and stop rows.

    `everything`: train and test rows without y, for features of table scope. Features and codec learn on real rows.
    """
    learn = _for_reading(teaching(learn))
    made = _augment(spec, task, learn, everything)
    synthetic = [rows for rows in made if len(rows)]
    barren = tuple(use.use for use, rows in zip(spec.augment, made, strict=True) if not len(rows))
    learnt = tuple(_learn(spec, i, use, task, learn, everything) for i, use in enumerate(spec.features))
    codec: Codec = registry.load("codecs", spec.codec.use).learn(spec.codec.params, task, learn)
    blocks = tuple(_block(feature, learn.blind(), [s.blind() for s in synthetic]) for feature in learnt)
    rows = concat([learn, *synthetic])
    y = np.concatenate([_encoded(codec, part) for part in (learn, *synthetic)])
    train, counted = _counted(Design(blocks, y, _weigh(spec, _for_reading(rows)), rows.v, rows.query))
    watched = None
    if stop is not None:
        stop = _for_reading(stop)
        seen = tuple(block_of(f, stop.blind()) for f in learnt)
        watched = Design(seen, _encoded(codec, stop), stop.w, stop.v, stop.query)
    without = tuple(replace(s, x={}) for s in synthetic)
    return Designs(train, watched, codec, learnt, len(learn), counted, without, barren)


def _for_reading(rows: Rows) -> Rows:
    """Return the rows with arrays that no plug-in can write to: the next one is handed the same."""
    return replace(rows, y=locked(labelled(rows)), w=locked(rows.w), v=locked(rows.v))


def teaching(rows: Rows) -> Rows:
    """Return the rows of weight above 0, all where there are none: the others teach nothing, nor do they donate."""
    counted = rows.w > 0
    return rows if counted.all() or not counted.any() else rows.take(np.flatnonzero(counted))


def scope_of(feature: str, params: Params) -> Scope:
    """Return what a feature learns from: its module's SCOPE, unless its params say otherwise."""
    scope: Scope = getattr(params, "scope", registry.load("features", feature).SCOPE)
    return scope


def _counted(design: Design) -> tuple[Design, Ints]:
    """Return the design without the rows whose weight is 0, and the places of the others: a learner that has no weights
    would learn from them too."""
    if (design.w > 0).all() or not (design.w > 0).any():
        return design, np.arange(len(design))
    kept = np.flatnonzero(design.w > 0)
    blocks = tuple(replace(block, x=block.x[kept]) for block in design.blocks)
    y = None if design.y is None else design.y[kept]
    query = None if design.query is None else design.query[kept]
    return Design(blocks, y, design.w[kept], design.v[kept], query), kept


def concat(parts: Sequence[Rows]) -> Rows:
    """Return the rows of all parts without columns: numbers, y, w, v, group, time, query and parents."""
    if len(parts) == 1:
        return parts[0]
    arrays = {
        name: np.concatenate([getattr(p, name) for p in parts])
        for name in ("row", "y", "w", "v", "group", "time", "query", "parents")
        if all(getattr(p, name) is not None for p in parts)
    }
    return Rows(x={}, header=parts[0].header, **arrays)


def _augment(spec: DesignSpec, task: Task, learn: Rows, everything: Rows) -> list[Rows]:
    made = []
    below = 0
    for i, use in enumerate(spec.augment):
        rng, module = stream(spec.seed, "augment", i, spec.fold), registry.load("augment", use.use)
        if hasattr(module, "label"):
            rows = _labelled(use, task, everything, spec.taught[refs(use.params, SourceName)[0]], rng)
            rows = replace(rows, y=np.clip(labelled(rows), labelled(learn).min(), labelled(learn).max()))
        else:
            rows = module.make(use.params, learn, rng)
        rows = returned.synthetic(use.use, rows, learn.header)
        if (rows.row >= 0).any() or rows.y is None:
            raise ValueError(f"{registry.shown(use.use)} returned rows that are not synthetic or lack y")
        _check_scores(use, task, rows.y)
        rows = replace(rows, query=_query_of(use, learn, rows))
        made.append(replace(rows, row=rows.row - below, v=np.zeros(len(rows))))
        below += len(rows)
    return made


def _query_of(use: Use, learn: Rows, rows: Rows) -> Ints | None:
    """Return the queries (p,) that new rows are ranked in, those of their first parents; None where nothing ranks.

    Raises:
        RecipeError: a row has no parent among the learning rows.
    """
    if learn.query is None or not len(rows):
        return None if learn.query is None else np.empty(0, np.int64)
    order = np.argsort(learn.row, kind="stable")
    place = order[np.searchsorted(learn.row, rows.parents[:, 0], sorter=order).clip(max=len(order) - 1)]
    lost = learn.row[place] != rows.parents[:, 0]
    if lost.any():
        rule = f"{registry.shown(use.use)} makes rows of no query, and the learner ranks queries"
        got = f"{int(lost.sum())} of {len(rows)} without a parent that is learnt from"
        raise RecipeError(rule, got=got, next="leave it out")
    found: Ints = learn.query[place]
    return found


def _labelled(use: Use, task: Task, everything: Rows, taught: Taught, rng: np.random.Generator) -> Rows:
    """Return what an augmenter makes of rows and another model's predictions for them."""
    since = 0 if getattr(use.params, "held", True) else taught.n_held
    order = np.argsort(everything.row, kind="stable")
    places = order[np.searchsorted(everything.row, taught.row[since:], sorter=order)]
    pred = Pred(taught.pred.mean[since:], None if taught.pred.std is None else taught.pred.std[since:])
    module = registry.load("augment", use.use)
    made: Rows = module.label(use.params, task, everything.take(places), pred, rng)
    return made


def _check_scores(use: Use, task: Task, y: Floats) -> None:
    """Return nothing: every y is a number and, where the task has classes, the code of one."""
    if not np.isfinite(y).all():
        rule, advice = (
            f"{registry.shown(use.use)} makes rows whose score is no number",
            "mend the formula, or choose rows with where",
        )
        raise RecipeError(rule, got=f"{int((~np.isfinite(y)).sum())} of {len(y)} rows", next=advice)
    odd = y[(y != np.round(y)) | (y < 0) | (y >= len(task.classes))] if task.classes else y[:0]
    if len(odd):
        rule = f"{registry.shown(use.use)} makes rows of no class"
        advice = "label: draw, where there is a label to set; else a score that is a class code"
        raise RecipeError(rule, got=f"y = {odd[0]:g}", allowed=f"0 to {len(task.classes) - 1}", next=advice)


def _learn(spec: DesignSpec, i: int, use: Use, task: Task, learn: Rows, everything: Rows) -> Learnt:
    module = registry.load("features", use.use)
    none = np.empty(0, np.int64)
    handed: Mapping[str, Rows] = {
        "row": Rows(none, {}, learn.header),
        "table": everything,
        "fold": learn,
    }
    rng = stream(spec.seed, "feature", i, spec.fold)
    learnt: Learnt = returned.learnt(
        use.use, module.learn(use.params, task, handed[scope_of(use.use, use.params)], rng)
    )
    return learnt


def _weigh(spec: DesignSpec, rows: Rows) -> Floats:
    if spec.weights is None:
        return rows.w
    factor: Floats = registry.load("weights", spec.weights.use).weigh(spec.weights.params, rows)
    factor = returned.numbers(spec.weights.use, factor, len(rows), "weigh")
    if factor.shape != rows.w.shape or not np.isfinite(factor).all() or (factor < 0).any():
        raise ValueError(f"{registry.shown(spec.weights.use)} must return {len(rows)} finite factors >= 0")
    return rows.w * factor


def _block(feature: Learnt, learn: Rows, synthetic: Sequence[Rows]) -> Block:
    """Return a feature of the learning rows (their own where it differs) with the synthetic rows below."""
    own = feature.own
    block = block_of(feature, learn) if own is None else returned.block(file_of(feature), own, len(learn), "own")
    if not synthetic:
        return block
    return replace(block, x=np.concatenate([block.x, *(block_of(feature, s).x for s in synthetic)]))


def block_of(feature: Learnt, rows: Rows) -> Block:
    """Return a learnt feature of some rows."""
    return returned.block(file_of(feature), feature(rows), len(rows))


def decoded(codec: Codec, fitted: Fitted, design: Design, rows: Rows, task: Task) -> Pred:
    """Return a model's prediction for the rows of a design, on the recipe's scale."""
    model, transform = file_of(fitted), file_of(codec)
    said = codec.decode(returned.pred(model, fitted.predict(design), len(rows), None, "predict"), rows)
    # What a transform of kit passes on is as wide as the learner made it.
    file, verb = (transform, "decode") if transform else (model, "predict")
    return returned.pred(file, said, len(rows), task.n_out, verb)


def _encoded(codec: Codec, rows: Rows) -> Floats:
    y: Floats = returned.numbers(file_of(codec), codec.encode(rows), len(rows), "encode")
    return y
