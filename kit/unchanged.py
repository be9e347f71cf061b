"""Whether the data files stay as they are while a table is made of them: a download may still be writing one."""

from __future__ import annotations

import os
from collections.abc import Callable

from kit import further, loading
from kit.errors import DataError
from kit.recipe import Recipe
from kit.wording import At

PARTS = ("train", "test", "sample")
"""The files that stand under `data` by themselves."""


def watch(recipe: Recipe) -> Callable[[], None]:
    """Return a check that the files are what they are now. It is asked before what was made of them is kept: their
    digests were taken first, and under those nothing else may stand.

    Raises:
        DataError: a file does not exist.
    """
    before = _states(recipe)

    def check() -> None:
        if (now := _states(recipe)) != before:
            changed = [path for path, state in now.items() if before.get(path) != state]
            rule, advice = "a data file changed while it was read", "wait until it is whole, then run again"
            raise DataError(rule, place=", ".join(changed or before), next=advice)

    return check


def _states(recipe: Recipe) -> dict[str, tuple[int, int, int]]:
    """Return path -> number, size and time of the data files."""
    data = recipe.data
    named: list[tuple[str, str | None, At]] = [(part, getattr(data, part), ("data", part)) for part in PARTS]
    named += [(f"extra.{i}", each.path, ("data", "extra", i, "path")) for i, each in enumerate(data.extra)]
    named += further.every(recipe)
    paths = [loading.locate(name, recipe, at) for part, name, at in named if name and part not in recipe.frames]
    found = {str(path): os.stat(path) for path in paths}
    return {path: (s.st_ino, s.st_size, s.st_mtime_ns) for path, s in found.items()}
