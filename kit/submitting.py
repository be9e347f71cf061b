"""submit --check: every fault of a csv against what the sample submission asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kit import combined, datafolder, facts, opening, sample, table
from kit._audit.common import off_one
from kit.errors import DataError, RecipeError, nearest, shorten
from kit.facts import Facts
from kit.given import hand_over
from kit.logbook import entries
from kit.sample import Layout
from kit.store import Store, Stored
from kit.types import Floats

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Fault:
    """A fault of a file. error: the competition would refuse it or score it wrongly. warning: look at it."""

    fault: str
    severity: Literal["error", "warning"]
    got: str
    next: str = ""


def submit(
    check: str | Path, *, recipe: str | Path | None = None, trust: bool = False, root: str | Path = "."
) -> list[dict[str, Any]]:
    """Return every fault of a csv against the sample of a recipe (without one: what `kit run` would write); none: [].

    `recipe`: left out, it is the one recipe in the current folder, or the one there that made the file.

    Raises:
        RecipeError: the recipe is none, or it is not clear which. DataError: its data is none, or it has no test rows.
    """
    base, path = Path(root).resolve(), Path(check)
    given = hand_over(recipe or _recipe_of(path))
    picks: list[opening.Sets] = [part.sets for part in opening.each(given, ())] or [()]
    recipes = [datafolder.filled(opening.read_recipe(given, pick, trust)) for pick in picks]
    store = Store(base)
    found = [facts.gather(each, store) for each in recipes]
    if not found[0].n_test:
        raise DataError("the recipe has no test rows, so there is nothing to submit", got=recipes[0].name)
    try:
        frame = table.read_text(path)
    except DataError as error:
        problem = error.problems[0]
        return [asdict(Fault(problem.rule, "error", f"{problem.place} {problem.got}".strip(), problem.next))]
    faults = list(_columns(frame, combined.header(recipes[0], found)))
    faults += _ids_of(frame, found[0].sample, store.open(found[0].rows_key))
    for each, its in zip(found, recipes, strict=True):
        faults += _values(frame, each, store.open(each.rows_key), its.metric)
    faults.sort(key=lambda f: f.severity)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = [f"{e.number:04d}" for e in entries(base) if e.about.get("sha256") == digest and e.path != path.resolve()]
    if known:
        faults.append(Fault("submitted before", "warning", f"the same bytes as {known[0]}"))
    return [asdict(f) for f in faults]


def _recipe_of(path: Path) -> Path:
    """Return the recipe in the current folder that a submission can only belong to."""
    here = sorted(p for end in ("yaml", "yml") for p in Path().glob(f"*.{end}") if ".tuned." not in p.name)
    try:
        made_by = json.loads(path.with_suffix(".json").read_text("utf-8")).get("recipe")
    except (OSError, ValueError, AttributeError):
        made_by = None
    fit = [p for p in here if made_by in (None, p.stem)] or here
    if len(fit) != 1:
        rule = "it is not clear which recipe's sample decides"
        raise RecipeError(rule, got=[str(p) for p in fit] or "no recipe in this folder", next="--recipe FILE")
    return fit[0]


def _ids_of(frame: pl.DataFrame, layout: Layout, rows: Stored) -> Iterator[Fault]:
    id_name = layout.header[layout.id_at]
    if id_name in frame.columns:
        yield from _ids(frame[id_name], table.series_from_arrow(rows.blob("ids/submit")))


def _values(frame: pl.DataFrame, found: Facts, rows: Stored, metric: str) -> Iterator[Fault]:
    """Yield the faults of the columns that show one target."""
    layout = found.sample
    names = [n for i, n in enumerate(layout.header) if i != layout.id_at and n in frame.columns]
    numbers = []
    for name in names:
        if layout.shows == "label" and found.task.kind == "regression":
            yield from _ratings(frame[name], rows.array("y"), layout.spelling)
        elif layout.shows == "label":
            yield from _labels(frame[name], layout.spelling)
        else:
            yield from _numbers(frame[name], layout.shows == "proba" and metric != "auc")
            numbers.append(_parsed(frame[name]))
    if layout.shows == "proba" and len(numbers) > 1 and len(numbers) == len(layout.header) - 1:
        yield from _sums(np.stack(numbers, axis=1))
    if layout.shows == "value" and numbers:
        yield from _range(numbers[0], rows.array("y"), metric, names[0])


def _columns(frame: pl.DataFrame, wanted: Sequence[str]) -> Iterator[Fault]:
    there = frame.columns
    for name in (n for n in wanted if n not in there):
        advice = nearest(name, [c for c in there if c not in wanted]) or f"the header is {','.join(wanted)}"
        yield Fault("a column is missing", "error", name, advice)
    for name in (n for n in there if n not in wanted):
        yield Fault("a column too many", "error", name, f"the header is {','.join(wanted)}")
    if there != list(wanted) and sorted(there) == sorted(wanted):
        yield Fault("the columns stand in another order", "error", ",".join(there), f"write {','.join(wanted)}")


def _ids(ids: pl.Series, wanted: pl.Series) -> Iterator[Fault]:
    import polars as pl

    wanted = wanted.cast(pl.String)
    empty = ids.null_count()
    if empty:
        yield Fault("rows without an id", "error", f"{empty} rows")
    ids = ids.drop_nulls()
    twice = ids.filter(ids.is_duplicated()).unique(maintain_order=True)
    if len(twice):
        yield Fault("ids stand twice", "error", _some(twice), "one row per id")
    extra, lost = _beyond(ids, wanted), _beyond(wanted, ids)
    hint = _respelt(extra, lost)
    if len(lost):
        yield Fault("ids are missing", "error", _some(lost), hint or "one row for every id of the sample")
    if len(extra):
        yield Fault("ids that are not asked for", "error", _some(extra), hint or "remove those rows")
    if not (empty or len(twice) or len(lost) or len(extra)) and not ids.equals(wanted):
        first = int(np.argmax((ids != wanted).to_numpy()))
        got = f"row {first + 1} has id {ids[first]}, the sample {wanted[first]}"
        yield Fault("the rows stand in another order", "error", got, "sort them as the sample does")


def _beyond(ids: pl.Series, others: pl.Series) -> pl.Series:
    """Return the ids that are not among the others, each once, in their order."""
    return ids.filter(~ids.is_in(others.implode())).unique(maintain_order=True)


def _respelt(extra: pl.Series, lost: pl.Series) -> str:
    """Return what to do where the ids are the right ones and only written otherwise: 1.0 for 1, 7 for 007."""
    plain = [{_plain(v) for v in some.to_list()} for some in (extra, lost)]
    return "the ids are written otherwise: read and write them as text" if plain[0] and plain[0] == plain[1] else ""


def _plain(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text.strip().lower()


def _labels(values: pl.Series, spelling: Sequence[str]) -> Iterator[Fault]:
    if values.null_count():
        yield Fault("values are missing", "error", f"column {values.name}: {values.null_count()} rows")
    wrong = values.drop_nulls().filter(~values.drop_nulls().is_in(list(spelling))).unique().sort()
    if len(wrong):
        same = {_plain(s): s for s in spelling}
        respelt = [f"{w} as {same[_plain(w)]}" for w in wrong.to_list() if _plain(w) in same]
        advice = f"write {', '.join(respelt[:3])}" if respelt else f"the labels are {', '.join(spelling[:12])}"
        yield Fault("labels that are none", "error", f"column {values.name}: {_some(wrong)}", advice)
    if len(wrong) == 0 and values.n_unique() == 1 and len(values) > 1:
        yield Fault("all rows have one label", "warning", f"column {values.name}: {values[0]}")


def _ratings(values: pl.Series, y: Floats, spelling: Sequence[str]) -> Iterator[Fault]:
    """Yield the faults of ratings: `spelling` says how 0 is written, y (n,) from where to where they go."""
    yield from _numbers(values, is_share=False)
    numbers, low, high = _parsed(values), np.nanmin(y), np.nanmax(y)
    known = np.isfinite(numbers)
    wrong = known & ((numbers != np.round(numbers)) | (numbers < low) | (numbers > high))
    if wrong.any():
        got = f"column {values.name}: {int(wrong.sum())} rows, as {values.to_list()[int(np.argmax(wrong))]}"
        yield Fault(
            "ratings that are none", "error", got, f"the ratings are whole numbers from {low:.0f} to {high:.0f}"
        )
    elif spelling == ("0",) and any("." in text for text in values.drop_nulls().to_list()):
        yield Fault("ratings with a point", "warning", f"column {values.name}", "the sample writes 3, not 3.0")


def _numbers(values: pl.Series, is_share: bool) -> Iterator[Fault]:
    place = f"column {values.name}"
    numbers = _parsed(values)
    missing = values.fill_null("").str.strip_chars().str.to_lowercase().is_in(["nan", ""]).to_numpy()
    words = values.filter(~missing & np.isnan(numbers))
    if missing.any():
        yield Fault("values are missing", "error", f"{place}: {int(missing.sum())} rows", "predict every row")
    if len(words):
        yield Fault("values that are no numbers", "error", f"{place}: {_some(words.unique().sort())}")
    if np.isinf(numbers).any():
        yield Fault("infinite values", "error", f"{place}: {int(np.isinf(numbers).sum())} rows")
    known = numbers[np.isfinite(numbers)]
    if is_share and len(known) and (known.min() < 0 or known.max() > 1):
        got = f"{place}: from {known.min():.4g} to {known.max():.4g}"
        yield Fault("probabilities beyond 0 and 1", "error", got, "clip them, or pass scores through a sigmoid")
    if len(known) > 1 and np.ptp(known) == 0:
        yield Fault("all rows have one value", "warning", f"{place}: {known[0]:.6g}")


def _parsed(values: pl.Series) -> Floats:
    """Return (t,) the numbers of a column, NaN where there is none."""
    import polars as pl

    return np.asarray(values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy(), np.float64)


def _sums(p: Floats) -> Iterator[Fault]:
    off = off_one(p)
    if off.any():
        got = f"{np.count_nonzero(off)} rows, by up to {off.max():.3g}"
        yield Fault(
            "probabilities do not sum to 1", "warning", got, "most metrics scale them; check that this one does"
        )


def _range(values: Floats, y: Floats, metric: str, name: str) -> Iterator[Fault]:
    known = values[np.isfinite(values)]
    if not len(known):
        return
    least = sample.least_of(metric)
    if least is not None and known.min() < least:
        what, got = "negative values" if least == 0 else f"values below {least:g}", f"{int((known < least).sum())} rows"
        yield Fault(what, "error", f"column {name}: {got}", f"clip them at {least:g}")
    low, high, width = float(y.min()), float(y.max()), float(np.ptp(y))
    runs = f"from {low:.4g} to {high:.4g}"
    far = (known < low - width) | (known > high + width)
    if far.any():
        got = f"column {name}: {int(far.sum())} rows, as {known[far][0]:.6g}; the target runs {runs}"
        yield Fault("values far beyond the target", "warning", got, "are they on the scale of the target?")
    elif known.mean() < low or known.mean() > high:
        got = f"column {name}: their mean is {known.mean():.4g}, the target runs {runs}"
        yield Fault("values beyond the target", "warning", got, "are they on the scale of the target?")


def _some(values: pl.Series) -> str:
    more = len(values) - 3
    return shorten(", ".join(map(str, values.head(3).to_list())) + (f" and {more} more" if more > 0 else ""))
