"""ls: the models and blends there are, with their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from kit import archive, siblings
from kit.errors import DataError, nearest

LISTED = ("recipe", "model", "use", "metric", "score", "peeked", "truncated", "key")


def ls(root: str | Path = ".", *, compare: bool = False, recipes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a line for each model and blend under oof/, best first within a recipe; of all `recipes` if left out.

    One of several targets stands for the results of each. `left`: the recipe was run since without this model or blend.
    With `compare`: for each recipe its results side by side (kit.comparing.compare).

    Raises:
        DataError: there is no result of a recipe.
    """
    known = sorted({folder.parent.name for folder in archive.folders(Path(root))})
    said = [Path(name).stem if name.endswith((".yaml", ".yml")) else name for name in recipes]
    parts = {name: siblings.read(Path(root) / "oof" / name)["targets"].values() for name in said}
    named = [own for name in said for own in ([n for n in parts[name] if n in known] or [name])]
    for name in named:
        if name not in known:
            advice = nearest(name, known) or f"kit run {name}"
            raise DataError("there is no result of this recipe", got=name, allowed=known, next=advice)
    if compare:
        from kit import comparing  # the list itself reads cards only, and is there at once

        return comparing.compare(Path(root).resolve(), named or known)
    cards = []
    for folder in (f for f in archive.folders(Path(root)) if not named or f.parent.name in named):
        try:
            cards.append(archive.read_card(folder))
        except DataError:  # kit audit tells of it
            continue
    runs = cache(lambda name: _last_run(Path(root) / ".kit" / "runs" / f"{name}.json"))
    return [
        {**{name: card.get(name) for name in LISTED}, "left": _is_left(card, runs(card.get("recipe")))}
        for card in sorted(cards, key=_rank)
    ]


def _is_left(card: Mapping[str, Any], stages: frozenset[str]) -> bool:
    """Return whether the last run of a card's recipe, known by its stages, had no such model or blend."""
    own = {f"{verb} {card.get('model')}" for verb in ("oof", "blend")}
    return bool(stages) and "imported" not in card and stages.isdisjoint(own)


def _last_run(path: Path) -> frozenset[str]:
    """Return the names of the stages that the last run of a recipe had; empty where none is on record."""
    try:
        return frozenset(json.loads(stage)["name"] for stage in json.loads(path.read_text("utf-8"))["stages"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def _rank(card: Mapping[str, Any]) -> tuple[str, float]:
    sign, score = -1.0 if card.get("better") == "higher" else 1.0, card.get("score")
    return str(card.get("recipe")), float("inf") if score is None else sign * score
