"""One fold for each group: what a model is worth on a group it has never seen."""

from __future__ import annotations

import numpy as np

from kit.contracts import Assignment
from kit.errors import DataError
from kit.params import Params as Base
from kit.types import Rows, Task

LIBS: tuple[str, ...] = ()
NEEDS: tuple[str, ...] = ("group",)
RANDOM: bool = False

MOST = 1000
"""Groups beyond this number are not each worth a model of their own."""


class Params(Base):
    """Leaving out each group in turn has no parameters. A fold is a fit of every model: mind the number of groups."""


def assign(params: Params, task: Task, rows: Rows, rng: np.random.Generator) -> Assignment:
    """Return the group of each row as its fold, numbered from 0 in the order of the groups.

    Raises:
        DataError: there is no group column, a single group, or more than 1000.
    """
    if rows.group is None:
        raise DataError("a group split needs a group column", next="add `groups: <column>` to the split")
    groups, fold = np.unique(rows.group, return_inverse=True)
    if not 2 <= len(groups) <= MOST:
        got, advice = f"{len(groups)} groups", "use group with `folds`, where groups share one"
        raise DataError(
            "leaving out each group needs several, and not too many", got=got, allowed=f"2 to {MOST}", next=advice
        )
    return Assignment(np.asarray(fold, np.int64))
