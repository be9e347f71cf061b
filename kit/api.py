"""The API: what the command line does, as functions. `kit.run(...)` is `kit run ...`."""

from kit.inspection import check
from kit.opening import Opened, open_recipe, read_recipe
from kit.running import Result, run
from kit.views import differences, gc, ls, plan, show, stage, why

__all__ = [
    "Opened",
    "Result",
    "check",
    "differences",
    "gc",
    "ls",
    "open_recipe",
    "plan",
    "read_recipe",
    "run",
    "show",
    "stage",
    "why",
]
