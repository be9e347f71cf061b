"""What people see of a blend of OOFs: its folder under oof/blends, its card and its submission."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kit import archive, counts, home, lineup, oofdir, opening, registry, sample, scores, submission
from kit.canon import FORMAT, code_file, fingerprint, key_of
from kit.errors import writing
from kit.folding import dump
from kit.oof import Oof
from kit.oofdir import Content
from kit.oofobject import load_oof
from kit.stages import decided
from kit.store import Store
from kit.types import Floats
from kit.wishing import Wish

log = logging.getLogger("kit")

RECIPE = home.BLENDS


_SEVERAL = "the data of none of the recipes %s are found, or their submissions look different"


@dataclass(frozen=True)
class Made:
    """A blend that stands in the store under `key`."""

    name: str
    key: str
    wish: Wish
    store: Store
    root: Path

    @property
    def folder(self) -> Path:
        """Its OOF folder."""
        return self.root / "oof" / RECIPE / self.name

    def oof(self) -> Oof:
        """Return its OOF."""
        return load_oof(self.store.open(self.key))


def publish(made: Made) -> dict[str, Any]:
    """Write the OOF folder unless it stands there already; return its card."""
    wish = made.wish
    mark = key_of(
        {
            "oof": made.key,
            "names": [made.name, wish.names, [s.card.get("key") for s in wish.sources]],
            "layout": oofdir.LAYOUT,
            "code": fingerprint(Path(__file__)),
        }
    )
    with writing(str(made.folder)), submission.lock(made.store):
        old = oofdir.read_card(made.folder)
        if old is not None and old.get("mark") == mark and oofdir.complete(made.folder, old):
            _remember(made)
            return old
        first = lineup.read_again(wish.sources[0])
        v, group = home.rows_of(wish.home, first)
        oof = made.oof()
        card = _card(made, oof, v, mark)
        test_ids = first.test_ids if oof.test.shape[1] else None
        with made.store.scratch() as temp:
            w = counts.plain(first, v) if "evaluate" in card else None
            oofdir.write(temp, Content(oof, wish.task, first.ids.name, first.ids, test_ids, v, group, w), card)
            card = oofdir.replace(made.folder, temp, old)
    _remember(made)
    return card


def submit(made: Made, card: dict[str, Any]) -> Path | None:
    """Write the submission and return its path, None where there are no test rows; one of the same bytes stands."""
    key = key_of(_submission_ingredients(made))
    if not made.store.check(key):
        csv = _csv(made)
        if csv is None:
            return None
        made.store.commit(key, {"csv": csv}, {}, _submission_ingredients(made))
    _remember(made, key)
    recipes = home.recipes_of([s.card for s in made.wish.sources], made.root)
    if made.wish.home is None and recipes:
        columns = made.store.open(key).blob("csv").partition(b"\n")[0].decode()
        lost = "the data of recipe %s are not found" if len(recipes) == 1 else _SEVERAL
        told = f"{lost}: the submission has plain columns (%s); --recipe FILE decides them"
        log.warning(told, ", ".join(recipes), columns)
    csv = made.store.open(key).blob("csv")
    return submission.place(made.store, made.root, made.name, csv, _about(made, card))


def _csv(made: Made) -> bytes | None:
    wish, oof = made.wish, made.oof()
    first = lineup.read_again(wish.sources[0])
    if first.test_ids is None or not oof.test.shape[1]:
        return None
    mean = oof.test_mean().mean
    labels = decided(wish.metric, wish.task, mean, oof.y)
    if wish.home is not None:
        return wish.home.csv(wish.task, mean, labels, first.test_ids)
    layout = _plain_layout(made, first.test_ids.name)
    return sample.write(layout, wish.task, np.arange(len(mean)), first.test_ids, mean, labels)


def _plain_layout(made: Made, id_name: str) -> sample.Layout:
    target = str(made.wish.sources[0].card.get("target") or "target")
    return home.plain_layout(made.wish.task, made.wish.metric, target, id_name)


def _submission_ingredients(made: Made) -> dict[str, Any]:
    """Return what shapes the bytes of a submission: the blend, the ids and how they are laid out."""
    wish = made.wish
    facts = wish.home.facts if wish.home else None
    return {
        "verb": "submit-blend",
        "source": made.key,
        "layout": None if facts is None else facts.sample.as_dict(),
        "ids": None if facts is None else facts.submitted,
        "target": wish.sources[0].card.get("target"),
        "code": [code_file(m) for m in (sample, home)],
    }


def _remember(made: Made, *more: str) -> None:
    """Record what a blend uses, so that `kit gc` keeps it. No recipe's name has a blank."""
    record = {"last": {}, "keep": sorted({made.key, *more}), "stages": []}
    opening.write_record(made.store, f"blend {made.name}", record)


# -- what is told


def _card(made: Made, oof: Oof, v: Floats, mark: str) -> dict[str, Any]:
    wish, task = made.wish, made.wish.task
    about = dict(made.store.open(made.key).meta["about"])
    weights, worth = about.pop("weights"), about["nested"]
    first = wish.sources[0].card
    return {
        "format": FORMAT,
        "recipe": RECIPE,
        "model": made.name,
        "key": made.key,
        "mark": mark,
        "use": registry.shown(wish.stacker.use),
        "params": {k: p for k, p in dump(wish.stacker.params).items() if not (k == "native" and not p)},
        "features": [],
        "metric": registry.shown(wish.metric),
        "better": registry.metric(wish.metric).better,
        "score": scores.score(task, wish.metric, oof, v),
        "fold_scores": scores.fold_scores(task, wish.metric, oof, v),
        "plain": worth["plain"],
        "also": {},
        "kind": oof.kind,
        "classes": list(task.classes),
        "target": first.get("target"),
        "positive": task.positive,
        "sources": list(wish.names),
        "source_keys": {s.name: s.card.get("key") for s in wish.sources},
        "weights": None if weights is None else dict(zip(wish.names, weights, strict=True)),
        "verdicts": {m["name"]: m["verdict"] for m in about["members"]},
        "peeked": oof.peeked,
        "transductive": oof.transductive or _rests_on_test(wish),
        **({"unscaled": True} if oof.unscaled else {}),
        "truncated": False,
        "missing": [],
        **({"evaluate": first["evaluate"]} if "evaluate" in first else {}),
        **_same_rows(made, oof),
        "versions": _libs(made),
        **about,
    }


def _rests_on_test(wish: Wish) -> bool:
    """Return whether the blend learns by weights that were estimated from test rows."""
    return registry.learns(wish.stacker.use) and bool(wish.sources[0].card.get("evaluate", {}).get("transductive"))


def _same_rows(made: Made, oof: Oof) -> dict[str, Any]:
    """Return what says which rows and folds these are."""
    folds = {s.card.get("folds_key") for s in made.wish.sources}
    same = len(folds) == 1 and not made.store.open(made.key).meta["about"]["mixed_folds"]
    return {
        "folds_key": folds.pop() if same else None,
        "y_digest": hashlib.sha256(np.ascontiguousarray(oof.y).data).hexdigest(),
    }


def _libs(made: Made) -> dict[str, str]:
    libs: dict[str, str] = made.store.open(made.key).ingredients["libs"]
    return libs


def _about(made: Made, card: dict[str, Any]) -> dict[str, Any]:
    """Return what the JSON of a submission tells."""
    wish = made.wish
    cards = {made.name: card, **{s.name: dict(s.card) for s in wish.sources}}
    return {
        "recipe": RECIPE,
        "from": made.name,
        "metric": card["metric"],
        "score": card["score"],
        "nested": submission.nested_of(card),
        "plain": card["plain"],
        "estimate": card["nested"],
        "weights": card["weights"],
        "models": submission.shares(made.name, cards),
        "sources": {name: c.get("key") for name, c in cards.items()},
        "scores": {name: c.get("score") for name, c in cards.items()},
        "truncated": False,
        "missing": [],
        **_shape(made),
        "versions": registry.versions(tuple(sorted({*card["versions"], "kaggle-kit"}))),
        "resolved": {"blend": {made.name: {"use": card["use"], "from": card["sources"], **card["params"]}}},
    }


def _shape(made: Made) -> dict[str, Any]:
    """Return what `replay` needs: the rows and layout of the recipe it stands for, or the plain layout without one."""
    wish = made.wish
    if wish.home is not None:
        return {**submission.shape(made.store, wish.home.facts), "home": [wish.home.name, wish.home.document]}
    task, first = wish.task, archive.read(wish.sources[0].folder)
    layout = _plain_layout(made, first.ids.name if first.test_ids is None else first.test_ids.name)
    told = {"kind": task.kind, "classes": list(task.classes), "positive": task.positive}
    return {"task": told, "layout": layout.as_dict()}
