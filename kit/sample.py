"""The sample submission: it decides the columns, the order and the spelling of what is submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import alike, forms, labelwords, registry
from kit.errors import DataError, nearest
from kit.recipe import Recipe
from kit.types import Array, Floats32, Ints, Label, Task
from kit.wording import plural

if TYPE_CHECKING:
    import polars as pl

NAMED = "name the columns by class, or ending in _class"
ALONE = "one column takes labels: a metric of these (accuracy, f1_macro) as `metric`, the other under `also`"


@dataclass(frozen=True)
class Layout:
    """The shape of a submission.

    `header`: its columns. `id_at`: place of the id column. `shows`: "value", "label", "proba" or "ranking". `outputs`:
    for each other column the index of the class it shows (0 for a value, a label or P(positive)). `spelling`: how a
    label is written, in class order; of ratings: how 0 is. `top`: how many classes a ranking lists. `ids`: how ids that
    are whole numbers are written, as `format` takes it; "" = as they are. `least`: what smaller values are written as,
    for the metric counts them so; None = as they are.
    """

    header: tuple[str, ...]
    id_at: int
    shows: str
    outputs: tuple[int, ...]
    spelling: tuple[str, ...] = ()
    top: int = 0
    ids: str = ""
    least: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them; `least` only where there is one, as it came later than the others."""
        return {name: value for name, value in asdict(self).items() if name != "least" or value is not None}


def layout(
    recipe: Recipe, task: Task, ids: pl.Series | None, raw: pl.DataFrame | None, place: str = ""
) -> tuple[Layout, Ints, pl.Series | None]:
    """Return the layout, the test row behind each line (t,) and the ids as they are written.

    `raw`: the sample as text, or None; `place`: how errors name it.

    Raises:
        DataError: the sample does not fit the data.
    """
    count = 0 if ids is None else len(ids)
    if raw is None or ids is None:
        id_name = recipe.data.id or "row"
        shows = _shows(recipe, task, 1)
        names, spelling = _own_names(recipe.data.target, task, shows), tuple(_spell(c) for c in task.classes) or ("0",)
        form = "d" if ids is not None and ids.dtype.is_integer() else ""
        outputs, least = tuple(range(len(names))), least_of(recipe.metric)
        made = Layout((id_name, *names), 0, shows, outputs, spelling, _top(recipe, shows), form, least)
        return made, np.arange(count), ids
    id_at = _id_at(recipe, raw, ids, place)
    values = [c for i, c in enumerate(raw.columns) if i != id_at]
    shows = _shows(recipe, task, len(values))
    outputs = _outputs(values, task, shows, recipe.data.target, place)
    order, written = _order(raw[raw.columns[id_at]], ids, place, by_place=recipe.data.id is None)
    words = _words(raw[values[0]], shows)
    spelling = labelwords.spelling(task, words) if shows in ("label", "ranking") else ()
    form = "" if recipe.data.id is None else alike.form_of(ids.gather(order), written)
    top, least = _top(recipe, shows), least_of(recipe.metric)
    return Layout(tuple(raw.columns), id_at, shows, outputs, spelling, top, form, least), order, written


def _id_at(recipe: Recipe, raw: pl.DataFrame, ids: pl.Series, place: str) -> int:
    """Return which column of the sample holds the ids: by its name, else by its values; rows without ids: the first.

    Raises:
        DataError: none does.
    """
    id_name, columns = recipe.data.id, raw.columns
    if id_name is None:
        return int(columns[0] == recipe.data.target and len(columns) == 2)
    # The sample has the names of the files, which `data.rename` may change.
    named = [c for c in columns if c == id_name] or [c for c in columns if recipe.data.rename.get(c) == id_name]
    named = named or [c for c in columns if _are_ids(raw[c], ids)]
    if not named:
        got, allowed = f"columns {', '.join(columns)}", f"a column {id_name}, or one that holds the ids of test"
        advice = "check data.id, or rename the column of the sample"
        raise DataError("the sample lacks the id column", place=place, got=got, allowed=allowed, next=advice)
    return columns.index(named[0])


def least_of(metric: str) -> float | None:
    """Return what a metric counts smaller predictions as, None where it counts them as they are."""
    found: float | None = getattr(registry.load("metrics", metric), "LEAST", None)
    return found


def _shows(recipe: Recipe, task: Task, n_columns: int) -> str:
    """Return what the value columns show, of which there are `n_columns`."""
    module = registry.load("metrics", recipe.metric)
    if module.WANTS == "label":
        return "label"
    if task.kind == "regression":
        return "value"
    return "ranking" if getattr(module, "RANKING", False) and n_columns == 1 else "proba"


def _words(column: pl.Series, shows: str) -> list[str]:
    """Return the labels that stand in a sample."""
    texts: list[str] = column.drop_nulls().unique().sort().to_list() if shows in ("label", "ranking") else []
    return sorted({word for text in texts for word in text.split()}) if shows == "ranking" else texts


def remarks(layout_: Layout, task: Task, raw: pl.DataFrame | None, place: str) -> list[list[str]]:
    """Return a note, as (column, what, next), where a sample of labels shows some that are no class."""
    blank = [str(c) for c in task.classes if len(str(c).split()) > 1] if layout_.shows == "ranking" else []
    if blank:
        what = f"labels hold blanks, as {blank[0]!r}, and a ranking is written with blanks between them"
        return [["", what, "write them without in the training file, or another metric and columns of classes"]]
    if raw is None or layout_.shows not in ("label", "ranking"):
        return []
    column = next(i for i in range(len(layout_.header)) if i != layout_.id_at)
    odd = labelwords.strangers(task, _words(raw[:, column], layout_.shows))
    if not odd:
        return []
    what = f"{place} shows labels that are no class of the target: {', '.join(map(repr, odd[:3]))}"
    advice = f"these will be written: {', '.join(layout_.spelling[:4])}; if others are wanted, change the target"
    return [[layout_.header[column], what, advice]]


def _top(recipe: Recipe, shows: str) -> int:
    """Return how many classes a ranking lists: the number behind the metric's name."""
    module = registry.load("metrics", recipe.metric)
    return int(getattr(module, "NUMBER", module.AT.default)) if shows == "ranking" else 0


def _own_names(target: str, task: Task, shows: str) -> list[str]:
    """Return the value columns where no sample says them: the target, or target_class for each class."""
    if shows == "proba" and task.kind == "multiclass":
        return [f"{target}_{c}" for c in task.classes]
    return [target]


def _outputs(values: Sequence[str], task: Task, shows: str, target: str, place: str) -> tuple[int, ...]:
    if shows != "proba" or (task.kind == "binary" and len(values) == 1):
        if len(values) != 1:
            rule, advice = "the sample must have one column beside the id", _next_for_columns(task)
            got, allowed = ", ".join(values) or "none", f"the id and one column, as {target}"
            raise DataError(rule, place=place, got=got, allowed=allowed, next=advice)
        return (0,)
    found = []
    for name in values:
        matches = labelwords.named(name, task)
        ending = [i for i, c in enumerate(task.classes) if name.endswith(f"_{c}")]
        # S_C_L ends in the classes L and C_L: the longer one is meant.
        matches = matches or sorted(ending, key=lambda i: -len(str(task.classes[i])))[:1]
        if not matches:
            raise DataError(
                "a column of the sample is no class",
                place=f"{place}: column {name}",
                got=name,
                allowed=[str(c) for c in task.classes],
                next=nearest(name, map(str, task.classes)) or (NAMED if len(values) > 1 else ALONE),
            )
        found += matches
    if sorted(found) != list(range(len(task.classes))):
        raise DataError(
            "the sample must show each class once",
            place=place,
            got=list(values),
            allowed=[str(c) for c in task.classes],
            next="one column per class, and no other beside the id",
        )
    return tuple(found)


def _order(sample_ids: pl.Series, ids: pl.Series, place: str, *, by_place: bool) -> tuple[Ints, pl.Series]:
    """Return the test row of each line of the sample, matched by id, and the ids as the sample writes them."""
    if by_place:
        if len(sample_ids) != len(ids):
            got, allowed = plural(len(sample_ids), "row"), plural(len(ids), "row")
            advice = "check data.sample, or declare data.id to match rows by id"
            raise DataError("sample and test differ in rows", place=place, got=got, allowed=allowed, next=advice)
        return np.arange(len(ids)), sample_ids
    row_of, wanted = _spelt_alike(ids, sample_ids)
    lost = [i for i in wanted if i not in row_of]
    extra = set(row_of) - set(wanted)
    if lost or extra or len(wanted) != len(ids):
        raise DataError(
            "the ids of sample and test differ",
            place=place,
            got=_differing(lost, sorted(extra)) or f"{len(wanted)} lines, some ids more than once",
            allowed=f"the {len(ids)} ids of test, once each",
            next="check data.id, data.test and data.sample",
        )
    return np.array([row_of[i] for i in wanted], np.int64), sample_ids


def _are_ids(column: pl.Series, ids: pl.Series) -> bool:
    """Return whether a column of the sample holds the ids of test, whatever its name is."""
    row_of, wanted = _spelt_alike(ids, column)
    return len(wanted) == len(ids) and set(wanted) == row_of.keys()


def _spelt_alike(ids: pl.Series, sample_ids: pl.Series) -> tuple[dict[str, int], list[str]]:
    """Return id -> row of test, and the ids of the sample; numbers are 7 in both, be they spelled 7.0 or 007."""
    import polars as pl

    texts = ids.cast(pl.String)
    if ids.dtype.is_numeric() and not sample_ids.is_in(texts.implode()).all():
        texts = forms.as_text(ids)
        sample_ids = alike.respelt(alike.unpadded(sample_ids))
    return dict(zip(texts.to_list(), range(len(ids)), strict=True)), sample_ids.to_list()


def _next_for_columns(task: Task) -> str:
    if task.kind == "regression":
        return "remove the other columns from the sample"
    return "a metric of probabilities (logloss, auc) fills one column per class"


def _differing(lost: Sequence[str], extra: Sequence[str]) -> str:
    """Return what ids the sample has beyond test, and test beyond the sample."""
    parts = [(lost, "not in test"), (extra, "of test not in the sample")]
    return ", ".join(
        f"{plural(len(ids), 'id')} {where} ({', '.join(map(str, ids[:3]))})" for ids, where in parts if ids
    )


def _spell(label: Label) -> str:
    return str(label)


def write(layout_: Layout, task: Task, order: Ints, ids: pl.Series, mean: Floats32, labels: Array | None) -> bytes:
    """Return the submission as CSV bytes: mean (t, m) float32 or labels (t,) class codes, in the sample's order."""
    return filled(layout_, task, order, ids, mean, labels).write_csv().encode()


def filled(
    layout_: Layout, task: Task, order: Ints, ids: pl.Series, mean: Floats32, labels: Array | None
) -> pl.DataFrame:
    """Return the submission as a table, labels as they are spelled in it."""
    import polars as pl

    columns: dict[str, pl.Series] = {}
    values = iter(layout_.outputs)
    proba = mean if layout_.least is None else np.maximum(mean, np.float32(layout_.least))
    if task.kind == "binary" and layout_.shows == "proba" and len(layout_.outputs) == 2:
        positive = task.classes.index(task.positive)
        proba = np.concatenate([1 - mean, mean] if positive == 1 else [mean, 1 - mean], axis=1)
    for i, name in enumerate(layout_.header):
        if i == layout_.id_at:
            columns[name] = ids.rename(name)
        elif layout_.shows == "label" and labels is not None:
            next(values)
            columns[name] = pl.Series(name, _labels(layout_, task, labels[order]))
        elif layout_.shows == "ranking":
            next(values)
            best = np.argsort(-mean[order], axis=1, kind="stable")[:, : layout_.top]
            columns[name] = pl.Series(name, [" ".join(layout_.spelling[c] for c in row) for row in best])
        else:
            columns[name] = pl.Series(name, np.ascontiguousarray(proba[order, next(values)]))
    return pl.DataFrame(columns)


def from_meta(fields: Mapping[str, Any]) -> Layout:
    """Return the layout that `as_dict` and JSON made these fields of."""
    return Layout(
        tuple(fields["header"]),
        fields["id_at"],
        fields["shows"],
        tuple(fields["outputs"]),
        tuple(fields["spelling"]),
        fields["top"],
        fields.get("ids", ""),
        fields.get("least"),
    )


def _labels(layout_: Layout, task: Task, labels: Array) -> list[str] | Array:
    """Return labels (t,) as they are written; ratings that are whole as whole numbers."""
    if task.kind != "regression":
        return [layout_.spelling[_class_index(task, c)] for c in labels]
    whole = layout_.spelling == ("0",) and bool((labels == np.round(labels)).all())
    return labels.astype(np.int64) if whole else labels


def _class_index(task: Task, code: float) -> int:
    """Return the place in `task.classes` of a decided code (binary: 1 = the positive class)."""
    if task.kind == "binary":
        positive = task.classes.index(task.positive)
        return positive if code == 1 else 1 - positive
    return int(code)
