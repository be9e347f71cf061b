"""The OOF as an object of the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.oof import Oof
from kit.stage import Stage
from kit.store import Store, Stored
from kit.types import Array


def save_oof(stage: Stage, store: Store, oof: Oof, about: Mapping[str, Any], folder: Path | None = None) -> None:
    """Commit an OOF under the stage's key, with the files of `folder`."""
    arrays: dict[str, Array | bytes] = {"fold": oof.fold, "y": oof.y, "pred": oof.pred, "test": oof.test}
    if oof.std is not None and oof.test_std is not None:
        arrays |= {"std": oof.std, "test_std": oof.test_std}
    flags: dict[str, Any] = {"kind": oof.kind, "peeked": oof.peeked, "transductive": oof.transductive}
    flags |= {"unscaled": True} if oof.unscaled else {}
    store.commit(stage.key, arrays, {**flags, "about": about}, stage.ingredients, folder)


def load_oof(stored: Stored) -> Oof:
    """Return the OOF of a stored object."""
    has_std = "std" in stored
    return Oof(
        fold=stored.array("fold"),
        y=stored.array("y"),
        pred=stored.array("pred"),
        test=stored.array("test"),
        std=stored.array("std") if has_std else None,
        test_std=stored.array("test_std") if has_std else None,
        kind=stored.meta["kind"],
        peeked=stored.meta["peeked"],
        transductive=stored.meta["transductive"],
        unscaled=stored.meta.get("unscaled", False),
    )
