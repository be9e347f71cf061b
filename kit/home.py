"""The recipe that OOFs come from, as far as a blend needs it: weights, groups, and how a submission is laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import archive, datafolder, facts, opening, registry, sample, table
from kit.archive import Kept, positions
from kit.errors import DataError, KitError
from kit.facts import Facts
from kit.sample import Layout
from kit.store import Store
from kit.types import Floats, Floats32, Ints, Task

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Home:
    """A recipe's data, known by its ids. `document`: the recipe as it was written."""

    name: str
    metric: str
    document: Mapping[str, Any]
    facts: Facts
    store: Store

    @property
    def rows_digest(self) -> list[str | None]:
        """What changes with the scoring weights or the groups."""
        return [self.facts.digests.get(name) for name in ("v", "group")]

    def rows(self, ids: pl.Series) -> tuple[Floats, Ints | None]:
        """Return v (n,) and group (n,) of training ids.

        Raises:
            DataError: they are not this recipe's.
        """
        stored = self.store.open(self.facts.rows_key)
        there = table.series_from_arrow(stored.blob("ids/train"))
        at = _placed(ids, there, f"recipe {self.name}")
        return stored.array("v")[at], stored.array("group")[at] if "group" in stored else None

    def csv(self, task: Task, mean: Floats32, labels: Any, test_ids: pl.Series) -> bytes:
        """Return the submission of test predictions (t, m), or labels (t,), in the order of `test_ids`."""
        stored = self.store.open(self.facts.rows_key)
        there = table.series_from_arrow(stored.blob("ids/test"))
        at = _placed(there, test_ids, f"recipe {self.name}")
        written = table.series_from_arrow(stored.blob("ids/submit"))
        return sample.write(self.facts.sample, task, at[stored.array("order")], written, mean, labels)


def rows_of(home: Home | None, first: Kept) -> tuple[Floats, Ints | None]:
    """Return v (n,) and group (n,) as a result's folder tells them, or as the recipe does where that says nothing."""
    v, group = archive.rows(first)
    if home is not None and group is None and (v == 1).all():
        return home.rows(first.ids)
    return v, group


def home_of(
    recipe: str | Path | None, cards: Sequence[Any], store: Store, root: Path, trust: bool = False
) -> Home | None:
    """Return the recipe that is named, or the one all cards come from where its file and data are still there.

    `trust`: it may run files of its own.

    Raises:
        KitError: the recipe that is named is at fault.
    """
    if recipe is not None:
        return _opened(Path(recipe), store, trust)
    names = {str(card.get("recipe")) for card in cards}
    for name in names if len(names) == 1 else ():
        record = opening.read_record(store.root / "runs" / f"{name}.json")
        paths = [root / p for p in (record.get("path"), record.get("within")) if p]
        for path in [*paths, root / "recipes" / f"{name}.yaml", root / f"{name}.yaml"]:
            try:
                if path.is_file():
                    return _opened(path, store, trust)
            except KitError:
                return None
    return None


def _opened(path: Path, store: Store, trust: bool) -> Home:
    recipe = datafolder.filled(opening.read_recipe(path, (), trust))
    return Home(recipe.name, recipe.metric, recipe.document.value, facts.gather(recipe, store), store)


def plain_layout(task: Task, metric: str, target: str, id_name: str) -> Layout:
    """Return the layout of a submission where no sample is known: the id under its own name, then the target."""
    shows = "value" if task.kind == "regression" else "label" if registry.metric(metric).wants == "label" else "proba"
    several = shows == "proba" and task.kind == "multiclass"
    names = [f"{target}_{c}" for c in task.classes] if several else [target]
    spelling = tuple(str(c) for c in task.classes)
    return Layout((id_name or "id", *names), 0, shows, tuple(range(len(names))), spelling)


def _placed(wanted: pl.Series, there: pl.Series, place: str) -> Ints:
    at = positions(wanted, there)
    if len(wanted) != len(there) or (at < 0).any():
        got = f"{int((at < 0).sum())} of {len(at)} ids are not there"
        raise DataError("the sources are of other rows than the recipe's data", place=place, got=got)
    return at
