"""THE cross-fit: the one module that calls a stacker. Fold k's combiner sees no y of fold k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kit import ranking, registry, returned
from kit.canon import stream
from kit.contracts import Combiner, Context
from kit.design import Use
from kit.errors import FitError
from kit.oof import Oof
from kit.owned import locked
from kit.panel import Panel
from kit.stackers._even import even, over
from kit.types import Floats, Floats32, Ints, Pred, Task


@dataclass(frozen=True)
class BlendSpec:
    """A stacker over sources (their names are shown, never used), scored by `metric`."""

    stacker: Use
    metric: str
    task: Task
    seed: int
    sources: tuple[str, ...]

    def of(self, members: Ints) -> BlendSpec:
        """Return the same over some of the sources; params that stand in their order are cut alike."""
        params = self.stacker.params
        if hasattr(params, "only"):
            params = params.only([int(s) for s in members])
        return replace(self, stacker=replace(self.stacker, params=params), sources=self._named(members))

    def _named(self, members: Ints) -> tuple[str, ...]:
        return tuple(self.sources[s] for s in members)

    def pinned(self, combiner: Combiner) -> BlendSpec:
        """Return the same with the parameters that a combiner left open set to what it chose."""
        params = self.stacker.params
        chosen = {k: v for k, v in getattr(combiner, "chosen", {}).items() if k in type(params).model_fields}
        return replace(self, stacker=replace(self.stacker, params=params.model_copy(update=chosen)))


@dataclass(frozen=True)
class Blended:
    """A blend: its OOF, and `full`, the combiner fitted on all rows, which made its test predictions."""

    oof: Oof
    full: Combiner


def crossfit(
    spec: BlendSpec,
    sources: Sequence[Oof],
    v: Floats,
    group: Ints | None,
    test_group: Ints | None = None,
    plain: Floats | None = None,
) -> tuple[Oof, Combiner]:
    """Return the blend's OOF and the combiner fitted on all rows, which made its test predictions."""
    made = blended(spec, Panel(spec.task, sources, v, group, test_group).weighed(plain))
    return made.oof, made.full


def blended(spec: BlendSpec, panel: Panel) -> Blended:
    """Return the blend of a panel.

    The OOF rows of fold k come from a combiner fitted on the other folds; test rows from one fitted on all. With a
    single fold there are no others: the combiner is then fitted on the rows it is scored on, and marked `peeked`.
    """
    module, first = registry.load("stackers", spec.stacker.use), panel.sources[0]
    pred, std = held_out(spec, panel)
    full = fitted(spec, panel)
    test, test_std = tests_of(spec, full, panel.sources, panel.test_group)
    if std is None or test_std is None:
        std = test_std = None
    peeked = any(s.peeked for s in panel.sources) or any(panel.fold[r].max() == 0 for r in panel.repeats)
    transductive = any(s.transductive for s in panel.sources) or (wants_spread(spec) and panel.has_spread)
    kind = module.RETURNS or first.kind
    unscaled = any(s.unscaled for s in panel.sources) and ranking.keeps(spec.stacker.use)
    oof = Oof(first.fold, first.y, pred, test, std, test_std, kind, peeked, transductive, unscaled)
    return Blended(oof, full)


def held_out(spec: BlendSpec, panel: Panel) -> tuple[Floats32, Floats32 | None]:
    """Return the blend of each row by a combiner that has not seen its fold: pred (R, n, m), std (R, n) or None."""
    pred = np.full_like(panel.sources[0].pred, np.nan)
    std: Floats32 | None = np.full(panel.fold.shape, np.nan, np.float32)
    for repeat in panel.repeats:
        for k in range(int(panel.fold[repeat].max()) + 1):
            held = panel.rows(repeat, only=k)
            made = applied(spec, fitted(spec, panel, repeat, k), panel, repeat, held)
            pred[repeat, held] = made.mean
            std = _set(std, repeat, held, made.std)
    return pred, std


def fitted(spec: BlendSpec, panel: Panel, repeat: int | None = None, but: int | None = None) -> Combiner:
    """Return the combiner fitted on all scored rows, repeats averaged; or on those of a repeat `but` one fold's."""
    module, params = registry.load("stackers", spec.stacker.use), spec.stacker.params
    space = module.sums(spec.metric) if hasattr(module, "solve") else None
    if space is not None and not panel.uneven:
        grams = panel.grams(repeat, space, spread=wants_spread(spec))
        others = grams.fold != (-1 if but is None else but)
        summed: Combiner = module.solve(params, _context(spec), grams.at(others) if others.any() else grams)
        return summed
    rows = panel.rows(repeat, but=but)
    rows = rows if len(rows) else panel.rows(repeat)
    ctx = _context(spec, panel, repeat).at(rows)
    z, y, v = panel.stack(repeat, rows), panel.y[rows], panel.v[rows]
    made = even(ctx, z, y, v) if panel.uneven else None
    if made is not None:
        z, ctx = made.lifted(z, ctx.task), replace(ctx, std=None)
    combiner: Combiner = returned.combiner(spec.stacker.use, module.fit(params, ctx, locked(z), y, v))
    return combiner if made is None else over(made, combiner)


def wants_spread(spec: BlendSpec) -> bool:
    """Return whether the stacker looks at how far the fold models' test predictions lie apart."""
    return bool(getattr(registry.load("stackers", spec.stacker.use), "SPREAD", False))


def applied(spec: BlendSpec, combiner: Combiner, panel: Panel, repeat: int | None, rows: Ints) -> Pred:
    """Return what a combiner makes of some rows of a repeat."""
    return _combined(spec, combiner, panel.stack(repeat, rows), _context(spec, panel, repeat).at(rows))


def tests_of(
    spec: BlendSpec, combiner: Combiner, sources: Sequence[Oof], group: Ints | None = None
) -> tuple[Floats32, Floats32 | None]:
    """Return test predictions (K, t, m), or (1, t, m) where the combiner acts once on the averages, and their std."""
    module = registry.load("stackers", spec.stacker.use)
    per_fold = module.LINEAR or module.PER_FOLD
    counts = {len(s.test) for s in sources}
    if per_fold and len(counts) == 1:
        layers = [[_layer(s, k) for s in sources] for k in range(len(sources[0].test))]
    else:
        layers = [[s.test_mean() for s in sources]]
    made = []
    for layer in layers:
        z = np.stack([p.mean for p in layer])
        std = _stds([p.std for p in layer])
        made.append(_combined(spec, combiner, z, replace(_context(spec), std=std, group=group)))
    stds = [p.std for p in made if p.std is not None]
    return np.stack([p.mean for p in made]), np.stack(stds) if len(stds) == len(made) else None


def _combined(spec: BlendSpec, combiner: Combiner, z: Floats32, ctx: Context) -> Pred:
    """Return what a combiner makes of z (S, n, m).

    Raises:
        FitError: some of it is not finite.
    """
    pred = returned.pred(spec.stacker.use, combiner(locked(z), ctx), z.shape[1], None, "the combiner")
    if not np.isfinite(pred.mean).all() and np.isfinite(z).all():
        rule, advice = "the stacker's predictions are not finite", "choose other params, or another stacker"
        use, lost = registry.shown(spec.stacker.use), int((~np.isfinite(pred.mean).all(axis=1)).sum())
        raise FitError(rule, place=use, got=f"{lost} of {len(pred)} rows", next=advice)
    return pred


def _context(spec: BlendSpec, panel: Panel | None = None, repeat: int | None = None) -> Context:
    rng, metric = stream(spec.seed, "blend"), registry.metric(spec.metric)
    if panel is None:
        return Context(spec.task, metric, rng, spec.sources)
    rows = panel.group, panel.folds(repeat), panel.plain
    return Context(spec.task, metric, rng, spec.sources, panel.stds(repeat), *rows)


def _stds(parts: Sequence[Floats32 | None]) -> Floats32 | None:
    """Return (S, n) standard deviations, NaN where a source has none; None where none has."""
    size = next((p.shape for p in parts if p is not None), None)
    if size is None:
        return None
    return np.stack([np.full(size, np.nan, np.float32) if p is None else p for p in parts])


def _set(out: Floats32 | None, repeat: int, rows: Ints, std: Floats32 | None) -> Floats32 | None:
    if out is None or std is None:
        return None
    out[repeat, rows] = std
    return out


def _layer(source: Oof, k: int) -> Pred:
    return Pred(source.test[k], None if source.test_std is None else source.test_std[k])
