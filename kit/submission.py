"""Submissions: numbered files that are never changed, each with a JSON that says what it was made of."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.registry import shown, versions
from kit.scene import Scene

NUMBERED = re.compile(r"(\d{4,})-.+\.(csv|json)\Z")


def submit(scene: Scene, cards: Mapping[str, Mapping[str, Any]]) -> Path | None:
    """Write the submission of a carried-out plan and return its path; an identical one is returned as it stands."""
    if scene.plan.submit is None or not scene.store.has(scene.plan.submit):
        return None
    csv = scene.store.open(scene.plan.submit).blob("csv")
    folder = scene.root / "submissions"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(csv).hexdigest()
    with scene.lock():
        for about in sorted(folder.glob("*.json")):
            path = about.with_suffix(".csv")
            if not NUMBERED.match(about.name) or _digest(about) != digest:
                continue
            if not path.exists():
                _place(path, csv, scene)
            if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                return path
        number = 1 + max((int(m[1]) for p in folder.iterdir() if (m := NUMBERED.match(p.name))), default=0)
        path = folder / f"{number:04d}-{scene.recipe.name}.csv"
        about_text = json.dumps(_about(scene, cards, digest, number), indent=1, ensure_ascii=False) + "\n"
        _place(path.with_suffix(".json"), about_text.encode(), scene)
        _place(path, csv, scene)
    return path


def _place(path: Path, content: bytes, scene: Scene) -> None:
    """Write a file whole, or not at all."""
    temp = scene.store.temporary()
    (temp / path.name).write_bytes(content)
    os.replace(temp / path.name, path)
    temp.rmdir()


def _digest(about: Path) -> str:
    try:
        return str(json.loads(about.read_text("utf-8")).get("sha256"))
    except (OSError, ValueError, AttributeError):
        return ""


def _about(scene: Scene, cards: Mapping[str, Mapping[str, Any]], digest: str, number: int) -> dict[str, Any]:
    recipe, source = scene.recipe, str(scene.recipe.submit)
    libs = {lib for card in cards.values() for lib in card.get("versions", {})}
    return {
        "number": number,
        "sha256": digest,
        "recipe": recipe.name,
        "from": source,
        "metric": shown(recipe.metric),
        "score": cards[source]["score"],
        "weights": cards[source].get("weights"),
        "sources": {name: card["key"] for name, card in cards.items()},
        "scores": {name: card["score"] for name, card in cards.items()},
        "truncated": scene.truncated,
        "missing": list(scene.missing),
        "table": scene.facts.table_key,
        "rows": scene.facts.rows_key,
        "folds": scene.facts.folds_key,
        "versions": versions(tuple(sorted({*libs, "kaggle-kit"}))),
        "resolved": recipe.document.value,
    }
