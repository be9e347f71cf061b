"""Submissions: numbered files that are never changed, each with a JSON that says what it was made of, and a ledger."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from kit import ledger, sidecar
from kit.canon import FORMAT
from kit.errors import DataError, writing
from kit.facts import Facts
from kit.paths import move
from kit.registry import shown, versions
from kit.scene import Scene
from kit.store import Store

NUMBERED = re.compile(r"(\d{4,})-.+\.(csv|json)\Z")


def submit(scene: Scene, cards: Mapping[str, Mapping[str, Any]]) -> Path | None:
    """Write the submission of a carried-out plan and return its path; an identical one is returned as it stands."""
    if scene.plan.submit is None or not scene.store.has(scene.plan.submit):
        return None
    csv = scene.store.open(scene.plan.submit).blob("csv")
    return place(scene.store, scene.root, scene.recipe.name, csv, about_of(scene, cards))


def place(store: Store, root: Path, name: str, csv: bytes, about: Mapping[str, Any]) -> Path:
    """Write `csv` as the next number, `about` beside it, a line in the ledger if there is one; return the csv's path.

    A file of the same bytes is returned as it stands. No number is given twice, and nothing is ever overwritten: what
    was deleted comes back under its own number.
    """
    folder = root / "submissions"
    digest = hashlib.sha256(csv).hexdigest()
    with writing(str(folder)), lock(store):
        folder.mkdir(parents=True, exist_ok=True)
        lines = ledger.read(folder)
        for path in _same(folder, digest):
            if not path.exists():
                _place(path, csv, store)
            if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
                _tell(folder, path, lines)
                return path
        path = _next(folder, name, digest, lines)
        about = {"format": FORMAT, "number": number_of(path.name), "sha256": digest, **about}
        _place(path.with_suffix(".json"), (json.dumps(about, indent=1, ensure_ascii=False) + "\n").encode(), store)
        _place(path, csv, store)
        _tell(folder, path, lines)
    return path


def _tell(folder: Path, path: Path, lines: Sequence[ledger.Line]) -> None:
    """Give a submission its line in the ledger, where there is one: a kill may have come between it and the files."""
    about = sidecar.read(path.with_suffix(".json"))
    if lines and not any((line.number, line.sha256) == (number_of(path.name), about.get("sha256")) for line in lines):
        ledger.append(folder, line_of(path, about))


def put_back(store: Store, root: Path, number: int, csv: bytes) -> Path:
    """Write the csv of a submission whose JSON is there and whose csv is gone; return its path."""
    folder = root / "submissions"
    with writing(str(folder)), lock(store):
        about = next(p for p in sorted(folder.glob("*.json")) if NUMBERED.match(p.name) and number_of(p.name) == number)
        _place(about.with_suffix(".csv"), csv, store)
    return about.with_suffix(".csv")


def lock(store: Store) -> FileLock:
    """Return the lock under which files that people see are written."""
    store.root.mkdir(parents=True, exist_ok=True)
    return FileLock(store.root / "publish.lock")


def number_of(text: str) -> int:
    """Return the number of a submission that a person names: 0007, 7, 0007-judge, submissions/0007-judge.csv.

    Raises:
        DataError: it is none.
    """
    found = re.match(r"(\d+)(-|\.csv\Z|\Z)", Path(text).name)
    if not found:
        raise DataError("this is no number of a submission", got=text, allowed="0007, or a file 0007-judge.csv")
    return int(found[1])


def shape(store: Store, facts: Facts) -> dict[str, Any]:
    """Return what the JSON of a submission needs so that `replay` can write its bytes again, or say what changed."""
    task = facts.task
    return {
        "task": {"kind": task.kind, "classes": list(task.classes), "positive": task.positive},
        "layout": facts.sample.as_dict(),
        "table": facts.table_key,
        "rows": facts.rows_key,
        "folds": facts.folds_key,
        "submitted": facts.submitted,
        "data": {
            **store.open(facts.table_key).ingredients["data"],
            "sample": store.open(facts.rows_key).ingredients["sample"],
        },
    }


def shares(name: str, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, float | None]:
    """Return what a result is made of in the end: model -> weight, None where a level in between has no weights."""
    card = cards.get(name, {})
    sources, weights = list(card.get("sources") or ()), card.get("weights")
    if not sources:
        return {name: 1.0}
    if weights is None:
        # A clip or a calibration of one source is still that source; of several the part of each is not known.
        weights = {source: 1.0 if len(sources) == 1 else None for source in sources}
    found: dict[str, float | None] = {}
    for source, weight in weights.items():
        for model, share in shares(source, cards).items():
            before = found.get(model, 0.0)
            known = weight is not None and share is not None and before is not None
            found[model] = before + weight * share if known else None
    return found


def _same(folder: Path, digest: str) -> list[Path]:
    """Return the csv paths of submissions whose JSON tells of these bytes."""
    found = [p for p in sorted(folder.glob("*.json")) if NUMBERED.match(p.name) and _digest(p) == digest]
    return [p.with_suffix(".csv") for p in found]


def _next(folder: Path, name: str, digest: str, lines: list[ledger.Line]) -> Path:
    """Return the path of a new submission: a number that no file and no line of the ledger has used.

    The same bytes under the same name get the number they had, if their files are gone.
    """
    here = {int(m[1]) for p in folder.iterdir() if (m := NUMBERED.match(p.name))}
    for line in lines:
        if line.sha256 == digest and line.number not in here and line.file == f"{line.number:04d}-{name}.csv":
            return folder / line.file
    number = 1 + max([*here, *(line.number for line in lines)], default=0)
    return folder / f"{number:04d}-{name}.csv"


def line_of(path: Path, about: Mapping[str, Any]) -> ledger.Line:
    """Return the line of the ledger that says that a submission was written."""
    cv, nested = about.get("score"), nested_of(about)
    return ledger.Line(
        number=number_of(path.name),
        event="submitted",
        file=path.name,
        recipe=str(about.get("recipe") or ""),
        source=str(about.get("from") or ""),
        metric=str(about.get("metric") or ""),
        cv="" if cv is None else repr(float(cv)),
        nested="" if nested is None else repr(nested),
        sha256=about.get("sha256") or "",
    )


def nested_of(about: Mapping[str, Any]) -> float | None:
    """Return the nested estimate that a card or a submission tells, or None: a number, or a mapping with `score`."""
    value = about.get("nested")
    if isinstance(value, Mapping):
        value = value.get("score")
    return float(value) if isinstance(value, int | float) else None


def _place(path: Path, content: bytes, store: Store) -> None:
    """Write a file whole, or not at all; never over another."""
    if path.exists():
        raise DataError("a submission is never overwritten", place=str(path), next="move that file away")
    with store.scratch() as temp:
        (temp / path.name).write_bytes(content)
        move(temp / path.name, path)


def _digest(about: Path) -> str:
    try:
        return str(json.loads(about.read_text("utf-8")).get("sha256"))
    except (OSError, ValueError, AttributeError):
        return ""


def about_of(scene: Scene, cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the JSON of a recipe's submission says it was made of."""
    recipe, source = scene.recipe, str(scene.recipe.submit)
    libs = {lib for card in cards.values() for lib in card.get("versions", {})}
    return {
        "recipe": recipe.name,
        "from": source,
        "metric": shown(recipe.metric),
        "score": cards[source]["score"],
        "nested": nested_of(cards[source]),
        "weights": cards[source].get("weights"),
        "models": shares(source, cards),
        "sources": {name: card["key"] for name, card in cards.items()},
        "scores": {name: card["score"] for name, card in cards.items()},
        "tuned": {name: card["tuned"] for name, card in cards.items() if card.get("tuned")},
        "truncated": scene.truncated,
        "missing": list(scene.missing),
        **shape(scene.store, scene.facts),
        "versions": versions(tuple(sorted({*libs, "kaggle-kit"}))),
        "resolved": recipe.document.value,
    }
