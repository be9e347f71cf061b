"""The submission of a recipe of several targets: the columns of its parts side by side, by one number."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from kit import loading
from kit.archive import positions
from kit.errors import DataError
from kit.facts import Facts
from kit.recipe import Recipe
from kit.scene import Scene
from kit.submission import about_of, nested_of, place

Cards = Mapping[str, Mapping[str, Any]]


def submit(family: str, parts: Mapping[str, tuple[Scene, Cards]]) -> Path:
    """Write the submission of all targets and return its path; one of the same bytes is returned as it stands.

    `family`: the name of the recipe. `parts`: target -> its carried-out plan, which has a submission, and its cards.
    """
    scenes = [scene for scene, _ in parts.values()]
    csvs = [scene.store.open(str(scene.plan.submit)).blob("csv") for scene in scenes]
    columns = header(scenes[0].recipe, [scene.facts for scene in scenes])
    told = about(family, columns, {target: about_of(scene, cards) for target, (scene, cards) in parts.items()})
    return place(scenes[0].store, scenes[0].root, family, beside(columns, csvs), told)


def beside(header: Sequence[str], parts: Sequence[bytes]) -> bytes:
    """Return one csv of these columns: those of the parts, rows matched by id, in the order of the first.

    >>> beside(["id", "b", "a"], [b"id,a\\n7,0.5\\n8,1\\n", b"id,b\\n8,y\\n7,x\\n"])
    b'id,b,a\\n7,x,0.5\\n8,y,1\\n'

    Raises:
        DataError: the parts are of other rows, or have other columns.
    """
    import polars as pl

    frames = [pl.read_csv(io.BytesIO(part), infer_schema=False) for part in parts]
    counted = Counter(name for frame in frames for name in frame.columns)
    if set(counted) != set(header) or sum(counted.values()) != len(header) + len(frames) - 1:
        rule, got = (
            "the parts of a submission are to have the id and, once each, its other columns",
            list(counted.elements()),
        )
        raise DataError(rule, got=got, allowed=list(header), next="one part for each target")
    id_name = counted.most_common(1)[0][0]
    ids = frames[0][id_name]
    for i, frame in enumerate(frames):
        order = positions(ids, frame[id_name])
        if len(frame) != len(ids) or (order < 0).any():
            lost = f"{int((order < 0).sum())} of {len(ids)} ids are not in part {i + 1}, of {len(frame)} rows"
            advice = "kit submit --check FILE tells what is wrong with one"
            raise DataError("the parts of a submission are of other rows", got=lost, next=advice)
        frames[i] = frame[order]
    found = {name: frame[name] for frame in frames for name in frame.columns}
    return pl.DataFrame([found[name] for name in header]).write_csv().encode()


def header(recipe: Recipe, found: Sequence[Facts]) -> list[str]:
    """Return the columns in the order of the sample; without one, those of each target in turn.

    `recipe`: that of one target; `found`: the facts of all.
    """
    layouts = [facts.sample for facts in found]
    raw, _ = loading.sample_of(recipe)
    if raw is not None and found[0].n_test:
        return [name for name in raw.columns if any(name in layout.header for layout in layouts)]
    return list(dict.fromkeys(name for layout in layouts for name in layout.header))


def about(family: str, header: Sequence[str], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the JSON of the submission says; the score is the mean over the targets."""
    metrics = {part.get("metric") for part in parts.values()}
    one = len(metrics) == 1
    return {
        "recipe": family,
        "from": ", ".join(dict.fromkeys(str(part.get("from")) for part in parts.values())),
        "metric": metrics.pop() if one else None,
        "score": mean_of([part.get("score") for part in parts.values()]) if one else None,
        "nested": mean_of([nested_of(part) for part in parts.values()]) if one else None,
        "weights": None,
        "models": _models(list(parts.values())),
        "sources": {f"{part.get('recipe')}:{part.get('from')}": _key(part) for part in parts.values()},
        "truncated": any(part.get("truncated") for part in parts.values()),
        "header": list(header),
        "parts": dict(parts),
    }


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return the mean of the scores of targets, None where one is not known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _models(parts: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Return the mean share of each model over the targets, None where that of one is not known."""
    shares = [part.get("models") or {} for part in parts]
    return {name: mean_of([share.get(name, 0.0) for share in shares]) for name in dict.fromkeys(chain(*shares))}


def _key(part: Mapping[str, Any]) -> str | None:
    """Return the key of the OOF that a part shows, None where it was made elsewhere."""
    found: str | None = (part.get("sources") or {}).get(part.get("from"))
    return found
