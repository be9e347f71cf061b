"""What a result comes from and goes to: a recipe that was carried out, its data, its plan and the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from kit.facts import Facts
from kit.planning import Plan
from kit.recipe import Blend, Model, Recipe
from kit.rowgroups import weights_of
from kit.store import Store
from kit.types import Floats


@dataclass(frozen=True)
class Scene:
    """Where results come from and go to. `missing`: models that the result lacks; `truncated`: for want of time."""

    recipe: Recipe
    facts: Facts
    plan: Plan
    store: Store
    root: Path
    missing: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def folder(self) -> Path:
        """The recipe's folder of OOFs."""
        return self.root / "oof" / self.recipe.name

    @property
    def declared(self) -> str | None:
        """The key of the declared test distribution; None where there is none, or where it could not be made."""
        return self.plan.v_key if self.plan.v_key and self.store.has(self.plan.v_key) else None

    def v(self) -> Floats:
        """Return the scoring weights (n,): those of the declared test distribution where there is one."""
        rows = self.store.open(self.facts.rows_key)
        return weights_of(rows, self.store.open(self.declared).array("v") if self.declared else None)

    def lock(self) -> FileLock:
        """Return the lock under which files that people see are written."""
        self.store.root.mkdir(parents=True, exist_ok=True)
        return FileLock(self.store.root / "publish.lock")

    def entry(self, name: str) -> Model | Blend:
        """Return the recipe's model or blend of that name."""
        return next(e for e in self.recipe.ordered() if e.name == name)
