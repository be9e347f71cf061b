"""THE cross-fit: the one function that calls a stacker. Fold k's combiner sees no y of fold k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kit import registry
from kit.canon import stream
from kit.contracts import Combiner, Context
from kit.design import Use
from kit.oof import Oof
from kit.types import Bools, Floats, Floats32, Ints, Pred, Task


@dataclass(frozen=True)
class BlendSpec:
    """A stacker over sources (their names are shown, never used), scored by `metric` under v (n,)."""

    stacker: Use
    metric: str
    task: Task
    seed: int
    sources: tuple[str, ...]


def crossfit(
    spec: BlendSpec, sources: Sequence[Oof], v: Floats, group: Ints | None, test_group: Ints | None = None
) -> tuple[Oof, Combiner]:
    """Return the blend's OOF and the combiner fitted on all rows, which made its test predictions.

    The OOF rows of fold k come from a combiner fitted on the other folds; test rows from one fitted on all. With a
    single fold there are no others: the combiner is then fitted on the rows it is scored on, and marked `peeked`.
    """
    first = sources[0]
    module = registry.load("stackers", spec.stacker.use)
    pred = np.full_like(first.pred, np.nan)
    stds: list[Floats32 | None] = []
    peeked = any(s.peeked for s in sources)
    for repeat in range(first.fold.shape[0]):
        z = np.stack([s.pred[repeat] for s in sources])
        std = _stds([None if s.std is None else s.std[repeat] for s in sources], z.shape[1])
        fold, ctx = first.fold[repeat], _context(spec, std, group)
        for k in range(int(fold.max()) + 1):
            held = fold == k
            others = (fold >= 0) & ~held
            peeked |= not others.any()
            seen = others if others.any() else held
            combiner = _fit(spec, ctx, z, first.y, v, seen)
            made = combiner(z[:, held], ctx.at(held))
            pred[repeat, held] = made.mean
            stds.append(made.std)
    std_oof = _gather_std(first.fold, stds)
    full = _full(spec, sources, v, group)
    test, test_std = tests_of(spec, full, sources, test_group)
    if std_oof is None or test_std is None:
        std_oof = test_std = None
    kind = module.RETURNS or first.kind
    transductive = any(s.transductive for s in sources)
    return Oof(first.fold, first.y, pred, test, std_oof, test_std, kind, bool(peeked), transductive), full


def _full(spec: BlendSpec, sources: Sequence[Oof], v: Floats, group: Ints | None) -> Combiner:
    """Return the combiner fitted on every scored row, repeats averaged."""
    pooled = [s.pooled() for s in sources]
    z = np.stack([p.mean for p in pooled])
    std = _stds([p.std for p in pooled], z.shape[1])
    return _fit(spec, _context(spec, std, group), z, sources[0].y, v, sources[0].scored)


def _fit(spec: BlendSpec, ctx: Context, z: Floats32, y: Floats, v: Floats, seen: Bools) -> Combiner:
    module = registry.load("stackers", spec.stacker.use)
    combiner: Combiner = module.fit(spec.stacker.params, ctx.at(seen), z[:, seen], y[seen], v[seen])
    return combiner


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
        made.append(combiner(z, _context(spec, _stds([p.std for p in layer], z.shape[1]), group)))
    test = np.stack([p.mean for p in made])
    stds = [p.std for p in made if p.std is not None]
    return test, np.stack(stds) if len(stds) == len(made) else None


def _context(spec: BlendSpec, std: Floats32, group: Ints | None) -> Context:
    rng = stream(spec.seed, "blend")
    return Context(spec.task, registry.metric(spec.metric), rng, spec.sources, std, group)


def _stds(parts: Sequence[Floats32 | None], n: int) -> Floats32:
    """Return (S, n) standard deviations, NaN where a source has none."""
    return np.stack([np.full(n, np.nan, np.float32) if p is None else p for p in parts])


def _gather_std(fold: np.ndarray, stds: Sequence[Floats32 | None]) -> Floats32 | None:
    """Return (R, n) from the parts made in (repeat, fold) order, or None where any is missing."""
    if any(s is None for s in stds):
        return None
    out = np.full(fold.shape, np.nan, np.float32)
    parts = iter(stds)
    for repeat in range(fold.shape[0]):
        for k in range(int(fold[repeat].max()) + 1):
            out[repeat, fold[repeat] == k] = next(parts)
    return out


def _layer(source: Oof, k: int) -> Pred:
    return Pred(source.test[k], None if source.test_std is None else source.test_std[k])
