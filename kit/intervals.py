"""interval: prediction intervals of a model's or blend's test predictions, and what they are worth on held rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, conformal, counts, frames, registry
from kit.archive import Kept
from kit.conformal import Errors
from kit.errors import DataError, RecipeError
from kit.oof import Oof
from kit.types import Floats, Floats32, Ints, Pred

GUARD = 0.05
"""Share of the median std that is added to each: a std near 0 would make one error count for all."""

BINS, FEWEST = 5, 50
"""Parts by std that coverage is told for, and the rows each needs."""


Ends = tuple[Floats, Floats]
"""Lower and upper ends of the same rows."""


@dataclass(frozen=True)
class Held:
    """The scored rows of a result, repeats one after another. All (n,); `model`: the fold model that held it, `row`.

    `range`: what the result's predictions are cut to. `log`: errors are those of log(1 + y), as the metric's are.
    """

    y: Floats
    mean: Floats
    std: Floats | None
    model: Ints
    row: Ints
    w: Floats
    group: Ints | None
    range: tuple[float, float]
    log: bool = False

    def scale(self) -> Floats:
        """Return (n,) what errors are measured in: the guarded std, or one for all rows."""
        return np.ones(len(self.y)) if self.std is None else self.std + self.guard

    @property
    def guard(self) -> float:
        """What is added to a std."""
        return 0.0 if self.std is None else max(GUARD * float(np.median(self.std)), 1e-12)

    def errors(self, scale: Floats) -> Errors:
        """Return the errors in units of scale (n,)."""
        return Errors(self.model, np.abs(self.seen(self.y) - self.seen(self.mean)) / scale, self.w, self.row)

    def seen(self, x: Floats) -> Floats:
        """Return what errors are measured on: the numbers themselves, or log(1 + x), x from 0 on."""
        return np.log1p(np.maximum(x, 0)) if self.log else x

    def told(self, ends: Ends) -> Ends:
        """Return ends as numbers again, of logarithms those from 0 on."""
        return (np.maximum(np.expm1(ends[0]), 0), np.expm1(ends[1])) if self.log else ends

    def ends(self, scale: Floats, coverage: float) -> Ends:
        """Return the ends (n,), (n,) for the rows themselves, from the errors and the range of y in other folds."""
        low, high = self.told(
            conformal.held_ends(self.errors(scale), self.seen(self.mean), scale, self.model, coverage)
        )
        for k in np.unique(self.model):
            inside = self.model == k
            others = ~np.isin(self.row, self.row[inside])
            low[inside], high[inside] = self.cut((low[inside], high[inside]), self.y[others])
        return low, high

    def cut(self, ends: Ends, y: Floats) -> Ends:
        """Return the ends cut to the range, or to that of the truths y (n,) where it leaves some of them out."""
        low, high = min(self.range[0], y.min(initial=np.inf)), max(self.range[1], y.max(initial=-np.inf))
        return np.clip(ends[0], low, high), np.clip(ends[1], low, high)


def interval(
    result: str, *, coverage: float = 0.9, output: str | Path | None = None, root: str | Path = "."
) -> dict[str, Any]:
    """Return what intervals of a result (recipe:model) are worth on held rows; write those of its test rows.

    `coverage`: the share of rows whose truth is to lie inside. `output`: csv or parquet with id, pred, lower, upper.
    Held rows get intervals from the errors of the other folds, so that coverage is honest; test rows get CV+ ones from
    all errors, drawn in to the part `drawn_in` of their width, for the average of the fold models errs less than each.
    Errors are measured in units of std where the result has one.

    Raises:
        DataError: there is no such result, or it has no test predictions to write.
        RecipeError: it is of classes, or the coverage is not between 0 and 1.
    """
    kept = archive.read(archive.find(result, Path(root).resolve()))
    _check(kept, coverage)
    held, repeats = _held(kept), len(kept.pred)
    found: dict[str, Any] = {"result": kept.name, "asked": coverage, "n": len(held.y) // repeats, "written": None}
    found["kinds"] = _kinds(held, coverage)
    found["by_std"] = [] if held.std is None else _by_std(held, coverage)
    parted = _parted(held, _layers(kept, held))
    found["drawn_in"] = drawn_in = _drawn_in(held, parted, coverage)
    found["note"] = _note(held, found["kinds"])
    if output is not None:
        _write(kept, _ends(held, parted, _whole(kept, held), coverage, drawn_in), Path(output))
        found["written"] = str(output)
    return found


def _check(kept: Kept, coverage: float) -> None:
    if not 0 < coverage < 1:
        raise RecipeError("coverage is a share", got=coverage, allowed="between 0 and 1", next="write 0.9 for 90 %")
    if kept.task.kind != "regression":
        rule, advice = "intervals are of numbers, not of classes", "probabilities say how sure a classifier is"
        raise RecipeError(rule, place=kept.name, got=kept.task.kind, allowed="regression", next=advice)


def _note(held: Held, kinds: list[dict[str, Any]]) -> str:
    if any(kind["width"] is None for kind in kinds):
        return "too few held rows for this coverage: an interval that is sure to hold it has no end"
    advice = "a model with target_transform: log_residual(it) has one"
    one = "width of log(1 + y), which the metric measures errors of" if held.log else "width"
    return "" if held.std is not None else f"the result has no std, so its intervals have one {one}; {advice}"


def _held(kept: Kept) -> Held:
    """Return the held rows of a result.

    Raises:
        DataError: nobody knows its folds.
    """
    if kept.fold is None:
        rule, advice = "the folds of this result are not known", "import it with its folds"
        raise DataError(rule, place=str(kept.folder), next=advice)
    v, group = counts.rows(kept)
    n_folds = int(kept.fold.max()) + 1
    y, repeats = kept.codes(), len(kept.fold)
    there = (kept.fold >= 0) & np.isfinite(kept.pred[:, :, 0]) & (v > 0)
    repeat, row = np.nonzero(there)
    std = None if kept.std is None else kept.std[there].astype(np.float64)
    model = repeat * n_folds + kept.fold[there].astype(np.int64)
    mean = kept.pred[:, :, 0][there].astype(np.float64)
    unit = row if group is None else group[row]
    log = std is None and _is_of_logs(kept) and bool(y[row].min(initial=0.0) >= 0)
    return Held(y[row], mean, std, model, row, v[row] / repeats, unit, _range(kept), log)


def _is_of_logs(kept: Kept) -> bool:
    """Return whether the result's metric measures errors of log(1 + y)."""
    metric = str(kept.card.get("metric"))
    return registry.has("metrics", metric) and registry.load("metrics", metric).CODEC == "log1p"


def _range(kept: Kept) -> tuple[float, float]:
    """Return the least and the greatest value that a result's stacker lets through, infinite where nothing cuts."""
    params = kept.card["params"] if kept.card["use"] in ("clip", "round") else {}
    low, high = params.get("low"), params.get("high")
    return float(np.float32(-np.inf if low is None else low)), float(np.float32(np.inf if high is None else high))


def _kinds(held: Held, coverage: float) -> list[dict[str, Any]]:
    """Return the quality of intervals in units of std, where there is one, or of log, and of those of one width."""
    ones, plain = np.ones(len(held.y)), replace(held, log=False)
    ways = [("by std", held, held.scale())] if held.std is not None else []
    ways += [("by log(1 + y)", held, ones)] if held.log else []
    made = []
    for name, seen, scale in [*ways, ("one width", plain, ones)]:
        low, high = seen.ends(scale, coverage)
        found = conformal.quality(held.y, low, high, held.w, coverage, held.group)
        made.append({"kind": name, **_told(found)})
    return made


def _told(found: conformal.Quality) -> dict[str, float | None]:
    """Return the numbers, None for what has no end."""
    return {name: value if np.isfinite(value) else None for name, value in asdict(found).items()}


def _by_std(held: Held, coverage: float) -> list[dict[str, Any]]:
    """Return coverage and width for parts of the rows, from the surest to the least sure."""
    scale = held.scale()
    low, high = held.ends(scale, coverage)
    n_bins = max(1, min(BINS, len(scale) // FEWEST))
    edges = np.quantile(scale, np.arange(1, n_bins) / n_bins)
    part = np.searchsorted(edges, scale, side="right")
    made = []
    for b in np.unique(part):
        at = part == b
        group = None if held.group is None else held.group[at]
        found = conformal.quality(held.y[at], low[at], high[at], held.w[at], coverage, group)
        ends = float(scale[at].min()) - held.guard, float(scale[at].max()) - held.guard
        made.append({"from": ends[0], "to": ends[1], "n": int(at.sum()), **_told(found)})
    return made


def _whole(kept: Kept, held: Held) -> Pred:
    """Return the prediction for the test rows.

    Raises:
        DataError: there is none, or it lacks the std that held rows have.
    """
    if kept.test is None:
        rule, advice = "the result has no test predictions", "name a test file in the recipe and run it"
        raise DataError(rule, place=str(kept.folder), next=advice)
    if held.std is not None and kept.test_std is None:
        raise DataError("test predictions without std", place=str(kept.folder), next="run the recipe again")
    return Pred(kept.test, kept.test_std)


def _write(kept: Kept, ends: Ends, path: Path) -> None:
    """Write id, pred, lower and upper of the test rows."""
    import polars as pl

    assert kept.test is not None and kept.test_ids is not None
    columns = {kept.test_ids.name or "id": kept.test_ids, "pred": kept.test[:, 0], "lower": ends[0], "upper": ends[1]}
    frames.save(pl.DataFrame(columns), path)


def ends_of(kept: Kept, new: Oof, coverage: float) -> Ends:
    """Return the ends (t,), (t,) of new rows as the same models predict them, from the errors these made when held.

    Raises:
        DataError: nobody knows the folds of the result.
        RecipeError: it is of classes, or the coverage is not between 0 and 1.
    """
    _check(kept, coverage)
    held = _held(kept)
    held = held if new.test_std is not None else replace(held, std=None)
    parted = _parted(held, (new.test[:, :, 0], new.test_std))
    seen = _parted(held, _layers(kept, held))
    return _ends(held, parted, new.test_mean(), coverage, _drawn_in(held, seen, coverage))


Layers = tuple[Floats32, Floats32 | None]
"""Mean and std (K, t) that the fold models predict."""


def _layers(kept: Kept, held: Held) -> Layers | None:
    """Return what each fold model predicts for the test rows, None where there are none or that is not kept."""
    if kept.test_ids is None or not len(kept.test_ids):
        return None
    means = archive.layers(kept.folder, kept.card, kept.test_ids)
    stds = None if held.std is None else archive.layers(kept.folder, kept.card, kept.test_ids, ("std",))
    return None if means is None else (means[:, :, 0], None if stds is None else stds[:, :, 0])


def _parted(held: Held, layers: Layers | None) -> tuple[Floats, Floats] | None:
    """Return mean and scale (K, t) of the fold models that made the held errors, None where these are others."""
    if layers is None or len(layers[0]) != int(held.model.max()) + 1 or (held.std is not None and layers[1] is None):
        return None
    mean = held.seen(layers[0].astype(np.float64))
    return mean, np.ones_like(mean) if held.std is None else np.asarray(layers[1], np.float64) + held.guard


def _drawn_in(held: Held, parted: tuple[Floats, Floats] | None, coverage: float) -> float:
    """Return to what part of their width intervals of test and new rows are drawn in, by what test rows were told."""
    return (
        1.0
        if parted is None
        else conformal.drawn_in(held.errors(held.scale()), held.seen(held.mean), *parted, coverage)
    )


def _ends(held: Held, parted: tuple[Floats, Floats] | None, whole: Pred, coverage: float, drawn_in: float) -> Ends:
    """Return the ends (t,), (t,): CV+ where there are the fold models' predictions, else around the whole one."""
    errors = held.errors(held.scale())
    if parted is not None:
        middle = parted[0].mean(axis=0)
        low, high = conformal.cv_plus(errors, *parted, coverage)
        return held.cut(held.told((middle + drawn_in * (low - middle), middle + drawn_in * (high - middle))), held.y)
    mean = held.seen(whole.mean[:, 0].astype(np.float64))
    scale = np.ones_like(mean) if held.std is None else np.asarray(whole.std, np.float64) + held.guard
    return held.cut(held.told(conformal.around(errors, mean, scale, coverage)), held.y)
