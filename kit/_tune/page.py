"""The HTML page of a study: Optuna's own plots in one file that needs no network."""

from __future__ import annotations

import html
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.paths import whole

if TYPE_CHECKING:
    from optuna import Study

STYLE = """
body{font:15px system-ui,sans-serif;margin:2em auto;max-width:1100px;color:#222}
td,th{text-align:left;vertical-align:top;padding:2px 14px 2px 0}
.plot{overflow-x:auto}
"""


def write(path: Path, study: Study, title: str, facts: Mapping[str, Any]) -> bool:
    """Write the page, whole or not at all; return False where plotly is not installed."""
    try:
        import plotly  # noqa: F401
    except ImportError:
        return False
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(_shown(v))}</td></tr>" for k, v in facts.items())
    head = f"<h1>{html.escape(title)}</h1><table>{rows}</table>"
    parts = "".join(f"<h2>{html.escape(name)}</h2><div class='plot'>{figure}</div>" for name, figure in _figures(study))
    text = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
    text += f"<style>{STYLE}</style><body>{head}{parts}</body></html>"
    with whole(path) as temp:
        temp.write_text(text, "utf-8")
    return True


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items()) or "the defaults"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _figures(study: Study) -> Sequence[tuple[str, str]]:
    """Return name and HTML of each plot that the study has enough trials for; the first one carries plotly itself."""
    from optuna import visualization as plots

    complete = sum(t.state.name == "COMPLETE" for t in study.get_trials(deepcopy=False))
    makers: dict[str, tuple[int, Any]] = {
        "Scores": (1, plots.plot_optimization_history),
        "What matters": (4, plots.plot_param_importances),
        "Each parameter": (2, plots.plot_slice),
        "Parameters together": (2, plots.plot_parallel_coordinate),
        "Fold by fold": (1, plots.plot_intermediate_values),
        "When": (1, plots.plot_timeline),
    }
    found: list[tuple[str, str]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # plots are experimental, says each of them
        for name, (least, make) in makers.items():
            if complete < least:
                continue
            try:
                figure = make(study)
            except (RuntimeError, ValueError):
                continue  # all trials scored the same: importances have no meaning then
            found.append((name, figure.to_html(full_html=False, include_plotlyjs=not found)))
    return found
