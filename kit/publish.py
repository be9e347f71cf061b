"""What people see of a result: the OOF folder of a model or blend, written whole, its former self moved to history."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit import bundle, oofdir, registry, table
from kit.canon import key_of
from kit.card import card_of, names_behind, tuned_from
from kit.errors import writing
from kit.oofobject import load_oof
from kit.recipe import Blend
from kit.scene import Scene

log = logging.getLogger("kit")


def publish(scene: Scene, name: str) -> dict[str, Any]:
    """Write the OOF folder of a model or blend unless it stands there already; return its card."""
    key = scene.plan.oofs[name]
    mark = key_of(
        {
            "oof": key,
            "metrics": [[m, registry.code_of("metrics", m)] for m in (scene.recipe.metric, *scene.recipe.also)],
            "rows": scene.facts.rows_key,
            "v": scene.declared,
            "names": [scene.recipe.name, name, names_behind(scene, key), list(scene.entry(name).needs)],
            "missing": scene.missing if isinstance(scene.entry(name), Blend) else (),
            "truncated": scene.truncated,
            "layout": oofdir.LAYOUT,
            "tuned": tuned_from(scene, name),
        }
    )
    target = scene.folder / name
    with writing(str(scene.folder)), scene.lock():
        old = oofdir.read_card(target)
        kept = not bundle.keeps(scene) or bundle.stands(target, old or {})
        same = old is not None and old.get("mark") == mark
        if old is not None and same and oofdir.complete(target, old) and kept:
            return old
        card = card_of(scene, name, key, mark)
        with scene.store.scratch() as temp:
            _write(scene, name, temp, card)
            if not bundle.keeps(scene) and old is not None and old.get("key") == key:
                _carry(scene, name, old, temp)
            return oofdir.replace(target, temp, old)


def retire(scene: Scene, name: str) -> None:
    """Move the OOF folder of a result that the recipe has no more to the history."""
    with writing(str(scene.folder)), scene.lock():
        if (card := oofdir.read_card(scene.folder / name)) is not None:
            oofdir.retire(scene.folder / name, card)


def _carry(scene: Scene, name: str, old: Mapping[str, Any], folder: Path) -> None:
    """Take along the models of the same result that an earlier run kept; damaged ones stay behind."""
    target = scene.folder / name
    if bundle.stands(target, old):
        bundle.carry(scene, name, target, folder)
    elif (target / "models").is_dir():
        log.warning("the kept models of %s are damaged and left out; --keep-models makes them again", name)


def _write(scene: Scene, name: str, folder: Path, card: Mapping[str, Any]) -> None:
    rows, facts = scene.store.open(scene.facts.rows_key), scene.facts
    content = oofdir.Content(
        load_oof(scene.store.open(scene.plan.oofs[name])),
        facts.task,
        facts.id_name,
        table.series_from_arrow(rows.blob("ids/train")),
        table.series_from_arrow(rows.blob("ids/test")) if facts.n_test else None,
        scene.v(),
        rows.array("group") if "group" in rows else None,
        rows.array("v") if scene.declared else None,
    )
    oofdir.write(folder, content, card)
    if bundle.keeps(scene):
        bundle.write(scene, name, folder)
