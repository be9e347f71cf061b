"""Recipes of several targets: `data.targets` lists them, and each is carried out as a recipe of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kit.errors import DataError, RecipeError, nearest
from kit.problems import LONGEST
from kit.sections import DataSection
from kit.spelling import spelt
from kit.strictyaml import Document

if TYPE_CHECKING:
    import polars as pl


EACH = ("metric", "also", "task", "positive")
"""Keys of a recipe that may say something for each target: `metric: {price: rmse, kind: logloss}`."""


class Part(NamedTuple):
    """One of several targets: `recipe` is the name of its results, `sets` the changes of the recipe that pick it."""

    target: str
    recipe: str
    sets: tuple[str, ...]


def named(document: Document) -> str:
    """Return the name of a recipe, which is that of its file where it says none."""
    file = Path(document.path).name.removesuffix(".yaml").removesuffix(".yml")
    return str(document.value.get("name", file))


def parts(document: Document, sets: Sequence[str] = ()) -> list[Part]:
    """Return the targets that a recipe asks for all at once; none where it has one, or picks one of several.

    `sets`: the changes that the document is the outcome of.

    >>> found = parts(Document({"name": "essays", "data": {"targets": ["Cohesion", "b c"]}}, "essays.yaml", {}, ()))
    >>> [(part.recipe, part.sets) for part in found]
    [('essays-cohesion', ('data.target="Cohesion"',)), ('essays-b-c', ('data.target="b c"',))]
    """
    targets, picked = _listed(document)
    if picked is not None:
        return []
    own = _names(named(document), targets)
    return [Part(t, own[t], (*sets, picking(t))) for t in targets]


def picking(target: str) -> str:
    """Return the change of a recipe that picks one of its targets."""
    return f"data.target={json.dumps(target, ensure_ascii=False)}"


def single(document: Document) -> str:
    """Return the name under which the results of a recipe of one target stand: of several, of the one it picks.

    Raises:
        RecipeError: it picks none of several.
    """
    targets, picked = _listed(document)
    if targets and picked is None:
        raise RecipeError(
            "this command works on one target, and the recipe has several",
            place=document.place(("data", "targets")),
            got=", ".join(targets),
            next=f"pick one: --set {picking(targets[0])}",
        )
    # A target that is none of them is told with all other problems.
    return _names(named(document), targets)[picked] if picked in targets else named(document)


def picked(document: Document) -> Document:
    """Return the document with what it says for each target said for the one it picks.

    Raises:
        RecipeError: it says it for what is no target, or gives this one no metric.
    """
    targets, target = _listed(document)
    said = {key: document.value[key] for key in EACH if isinstance(document.value.get(key), Mapping)}
    said = {key: values for key, values in said.items() if not _is_grouped(values, targets)}
    if target not in targets or not said:
        return document
    for key, values in said.items():
        for name in (n for n in values if n not in targets):
            rule, advice = f"{key} is said for what is none of the targets", nearest(str(name), targets)
            raise RecipeError(rule, place=document.place((key, name)), got=name, allowed=targets, next=advice)
        if key == "metric" and target not in values:
            rule, advice = "a target has no metric", f"metric: {{{spelt(target)}: rmse, ...}}"
            raise RecipeError(rule, place=document.place((key,)), got=target, next=advice)
    kept = {key: value for key, value in document.value.items() if key not in said}
    return replace(document, value=kept | {key: v[target] for key, v in said.items() if target in v})


def _is_grouped(values: Mapping[str, Any], targets: Sequence[str]) -> bool:
    """Return whether a mapping is a metric within groups, `{spearman: {by: era}}`, and no metric for each target."""
    inner = next(iter(values.values()), None)
    return len(values) == 1 and not set(values) & set(targets) and isinstance(inner, Mapping) and "by" in inner


def names(document: Document) -> set[str]:
    """Return the names under which a recipe's results stand."""
    return {part.recipe for part in parts(document)} or {single(document)}


def owner(column: str, targets: Sequence[str]) -> str | None:
    """Return the target that a column of a submission is called after, or whose name and `_` it begins with.

    >>> owner("price_high", ["price", "size"]), owner("price_high", ["price", "price_high"]), owner("x", ["price"])
    ('price', 'price_high', None)
    """
    return max((t for t in targets if column == t or column.startswith(f"{t}_")), key=len, default=None)


def own_columns(raw: pl.DataFrame, data: DataSection, place: str) -> pl.DataFrame:
    """Return the id and the columns of a sample submission that show this target; those of its siblings go.

    Raises:
        DataError: no column is of this target, or one is of none.
    """
    ids = [c for c in raw.columns if data.id and data.id in (c, data.rename.get(c))] or raw.columns[:1]
    mine = list(ids)
    for name in (c for c in raw.columns if c not in ids):
        of = owner(data.rename.get(name, name), data.targets)
        if of is None:
            raise DataError(
                "a column of the sample is of none of the targets",
                place=f"{place}: column {name}",
                got=name,
                allowed=list(data.targets),
                next=nearest(name, data.targets) or "name it in data.targets, or take it out of the sample",
            )
        mine += [name] if of == data.target else []
    if mine == ids:
        rule, advice = "the sample has no column for this target", "take it out of data.targets"
        raise DataError(rule, place=place, got=f"columns {', '.join(raw.columns)}", allowed=data.target, next=advice)
    return raw[mine]  # polars takes a name like ^a$ for a pattern where it selects


def _listed(document: Document) -> tuple[list[str], str | None]:
    """Return the targets of a recipe, none where they are not a list of two names or more; and the one it picks."""
    data = document.value.get("data")
    found, picked = (data.get("targets"), data.get("target")) if isinstance(data, Mapping) else (None, None)
    if not isinstance(found, list) or len(found) < 2 or not all(isinstance(t, str) for t in found):
        return [], None
    if len(set(found)) < len(found):
        return [], None
    return found, None if picked is None else str(picked)


def _names(family: str, targets: Sequence[str]) -> dict[str, str]:
    """Return target -> the name of its results: that of the recipe and, spelled as names are, the target's.

    A target whose word is empty, too long or that of another as well has its number behind it.
    """
    room, words = LONGEST - len(family) - 1, [_word(t) for t in targets]
    found = {t: w for t, w in zip(targets, words, strict=True) if w and len(w) <= room and words.count(w) == 1}
    for number, (target, word) in enumerate(zip(targets, words, strict=True), 1):
        end = str(number)
        while target not in found:
            numbered = f"{word[: max(0, room - len(end))]}{end}"
            end = f"-{end}"
            if numbered not in found.values():
                found[target] = numbered
    return {target: f"{family}-{word}" for target, word in found.items()}


def _word(target: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", target.lower()).strip("-_")
