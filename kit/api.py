"""The API: what the command line does, as functions. `kit.run(...)` is `kit run ...`.

Each is imported when it is first asked for: `kit ls` needs nothing of what trains.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.audits import audit
    from kit.blending import Blend, blend
    from kit.errorbook import errors
    from kit.errorbook import errors as errors_of
    from kit.finalists import lb_final
    from kit.importing import import_oof
    from kit.inspection import check
    from kit.intervals import interval
    from kit.leaderboard import lb_blend
    from kit.listing import ls
    from kit.logbook import lb_add, log
    from kit.merging import merge
    from kit.opening import Opened, open_recipe, read_recipe
    from kit.replaying import replay
    from kit.running import Result
    from kit.serving import export, predict
    from kit.shifting import shift
    from kit.starting import init
    from kit.submitting import submit
    from kit.together import run
    from kit.tuning import tune
    from kit.views import differences, gc, plan, show, stage, why

__all__ = [
    "Blend",
    "Opened",
    "Result",
    "audit",
    "blend",
    "check",
    "differences",
    "errors",
    "errors_of",
    "export",
    "gc",
    "import_oof",
    "init",
    "interval",
    "lb_add",
    "lb_blend",
    "lb_final",
    "log",
    "ls",
    "merge",
    "open_recipe",
    "plan",
    "predict",
    "read_recipe",
    "replay",
    "run",
    "shift",
    "show",
    "stage",
    "submit",
    "tune",
    "why",
]

WHERE = {
    "Blend": "blending",
    "Opened": "opening",
    "Result": "running",
    "audit": "audits",
    "blend": "blending",
    "check": "inspection",
    "differences": "views",
    "errors": "errorbook",
    "export": "serving",
    "gc": "views",
    "import_oof": "importing",
    "init": "starting",
    "interval": "intervals",
    "lb_add": "logbook",
    "lb_blend": "leaderboard",
    "lb_final": "finalists",
    "log": "logbook",
    "ls": "listing",
    "merge": "merging",
    "open_recipe": "opening",
    "plan": "views",
    "predict": "serving",
    "read_recipe": "opening",
    "replay": "replaying",
    "run": "together",
    "shift": "shifting",
    "show": "views",
    "stage": "views",
    "submit": "submitting",
    "tune": "tuning",
    "why": "views",
    "errors_of": "errorbook",
}
"""Name -> the module it stands in. `errors_of` is `errors`, for those who write `kit.errors_of`: `kit.errors` is the
module of exceptions."""


def __getattr__(name: str) -> Any:
    """Return a function of the API."""
    if name not in WHERE:
        raise AttributeError(f"module 'kit.api' has no attribute {name!r}")
    return getattr(import_module(f"kit.{WHERE[name]}"), name.removesuffix("_of"))
