"""The recipe that OOFs come from, as far as a blend needs it: weights, groups, and how a submission is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import archive, counts, datafolder, facts, opening, registry, sample, table
from kit.archive import Kept, positions
from kit.errors import DataError, KitError
from kit.facts import Facts
from kit.given import hand_over
from kit.rowgroups import attach, codes_of, weights_of
from kit.sample import Layout
from kit.store import Store
from kit.types import Floats, Floats32, Ints, Task

if TYPE_CHECKING:
    import polars as pl


BLENDS = "blends"
"""The folder of oof/ that blends of OOFs go to, and the recipe of their cards."""


@dataclass(frozen=True)
class Home:
    """A recipe's data, known by its ids. `document`: the recipe as written; `metric`: "" where several differ."""

    name: str
    metric: str
    document: Mapping[str, Any]
    facts: Facts
    store: Store

    @property
    def rows_digest(self) -> list[str | None]:
        """What changes with the scoring weights or the groups."""
        return [
            *(self.facts.digests.get(name) for name in ("v", "group")),
            *(f"{k} {d}" for k, d in sorted(self.facts.by.items())),
        ]

    def rows(self, ids: pl.Series) -> tuple[Floats, Ints | None]:
        """Return v (n,) and group (n,) of training ids.

        Raises:
            DataError: they are not this recipe's.
        """
        stored = self.store.open(self.facts.rows_key)
        there = table.series_from_arrow(stored.blob("ids/train"))
        at = _placed(ids, there, f"recipe {self.name}")
        return weights_of(stored)[at], stored.array("group")[at] if "group" in stored else None

    def csv(self, task: Task, mean: Floats32, labels: Any, test_ids: pl.Series) -> bytes:
        """Return the submission of test predictions (t, m), or labels (t,), in the order of `test_ids`."""
        stored = self.store.open(self.facts.rows_key)
        there = table.series_from_arrow(stored.blob("ids/test"))
        at = _placed(there, test_ids, f"recipe {self.name}")
        written = table.series_from_arrow(stored.blob("ids/submit"))
        return sample.write(self.facts.sample, task, at[stored.array("order")], written, mean, labels)


def rows_of(home: Home | None, first: Kept) -> tuple[Floats, Ints | None]:
    """Return v (n,) and group (n,) as a result's folder tells them, or as the recipe does where that says nothing."""
    v, group = counts.rows(first)
    if home is not None and group is None and (v == 1).all():
        found, group = home.rows(first.ids)
        return attach(found, codes_of(v)), group
    return v, group


def home_of(
    recipe: str | Path | None, cards: Sequence[Any], store: Store, root: Path, trust: bool = False
) -> Home | None:
    """Return the recipe that is named, or the first of those the cards come from whose file and data are still there.

    None where there is none, or where their submissions look different. `trust`: it may run files of its own.

    Raises:
        KitError: the recipe that is named is at fault.
    """
    if recipe is not None:
        return _opened(Path(recipe), store, trust, _target(Path(recipe), recipes_of(cards, root)))
    homes = [home for name in recipes_of(cards, root) if (home := _found(name, store, root, trust))]
    if not homes or any(_submission(home) != _submission(homes[0]) for home in homes):
        return None
    return homes[0] if len({home.metric for home in homes}) == 1 else replace(homes[0], metric="")


def recipes_of(cards: Sequence[Any], root: Path) -> list[str]:
    """Return the recipes that results come from, in that order; of a blend of OOFs those behind it."""
    found: dict[str, None] = {}
    todo, seen = list(cards), set()
    while todo:
        card = todo.pop(0)
        if card.get("recipe") != BLENDS:
            found[str(card.get("recipe"))] = None
            continue
        for source in card.get("sources") or ():
            recipe, _, name = str(source).partition(":")
            if source in seen:
                continue
            seen.add(source)
            folder = root / "oof" / BLENDS / name if recipe == BLENDS else Path(source)
            todo += [{"recipe": recipe}] if name and recipe != BLENDS else _cards(folder)
    return list(found)


def _cards(folder: Path) -> list[dict[str, Any]]:
    """Return the card of a folder, none where it cannot be read."""
    try:
        return [archive.read_card(folder)]
    except DataError:
        return []


def _found(name: str, store: Store, root: Path, trust: bool) -> Home | None:
    """Return the recipe of that name where its file and its data are still there."""
    record = opening.read_record(store.root / "runs" / f"{name}.json")
    # Within the folder first: where all of it was copied, the path leads to the recipe and data of the original.
    paths = [root / p for p in (record.get("within"), record.get("path")) if p]
    for path in [*paths, root / "recipes" / f"{name}.yaml", root / f"{name}.yaml"]:
        try:
            if path.is_file():
                return _opened(path, store, trust, record.get("target"))
        except KitError:
            return None
    return None


def _submission(home: Home) -> tuple[Layout, str]:
    """Return what decides how a submission is laid out: columns and spelling, ids and their order."""
    return home.facts.sample, home.facts.submitted


def _opened(path: Path, store: Store, trust: bool, target: str | None = None) -> Home:
    recipe = datafolder.filled(opening.read_recipe(path, opening.picking(target), trust))
    return Home(recipe.name, recipe.metric, recipe.document.value, facts.gather(recipe, store), store)


def _target(path: Path, sources: Sequence[str]) -> str | None:
    """Return which of the targets of a recipe that has several the results of these recipes are of.

    Raises:
        DataError: they are of none, or of several.
    """
    parts = opening.each(hand_over(path), ())
    found = [part.target for part in parts if part.recipe in sources]
    if parts and len(found) != 1:
        rule, advice = (
            "the sources are not of one target of the recipe",
            "kit import --set data.target=NAME says of which",
        )
        raise DataError(rule, place=str(path), got=sources, allowed=[part.recipe for part in parts], next=advice)
    return found[0] if found else None


def plain_layout(task: Task, metric: str, target: str, id_name: str) -> Layout:
    """Return the layout of a submission where no sample is known: the id under its own name, then the target."""
    shows = "value" if task.kind == "regression" else "label" if registry.metric(metric).wants == "label" else "proba"
    several = shows == "proba" and task.kind == "multiclass"
    names = [f"{target}_{c}" for c in task.classes] if several else [target]
    spelling = tuple(str(c) for c in task.classes)
    least = sample.least_of(metric)
    return Layout((id_name or "id", *names), 0, shows, tuple(range(len(names))), spelling, least=least)


def _placed(wanted: pl.Series, there: pl.Series, place: str) -> Ints:
    at = positions(wanted, there)
    if len(wanted) != len(there) or (at < 0).any():
        got = f"{int((at < 0).sum())} of {len(at)} ids are not there"
        raise DataError("the sources are of other rows than the recipe's data", place=place, got=got)
    return at
