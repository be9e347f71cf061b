"""The API: what the command line does, as functions. `kit.run(...)` is `kit run ...`."""

from kit.audits import audit
from kit.blending import Blend, blend
from kit.errorbook import errors
from kit.finalists import lb_final
from kit.importing import import_oof
from kit.inspection import check
from kit.intervals import interval
from kit.leaderboard import lb_blend
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
from kit.views import differences, gc, ls, plan, show, stage, why

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

errors_of = errors
"""`kit errors` for those who write `kit.errors_of`: `kit.errors` is the module of exceptions."""
