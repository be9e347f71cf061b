"""kit: recipes in; out-of-fold predictions, blends and submissions out."""

from typing import Any

__version__ = "0.1.0"
__all__ = [
    "audit",
    "blend",
    "check",
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
    "plan",
    "predict",
    "replay",
    "run",
    "shift",
    "submit",
    "tune",
    "why",
]


def __getattr__(name: str) -> Any:
    """Return a function of kit.api, imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'kit' has no attribute {name!r}")
    from kit import api

    return getattr(api, name)
