"""What a recipe of several targets leaves under oof/: which results are of which target."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.errors import writing
from kit.paths import whole

FILE = "targets.json"


def read(folder: Path) -> dict[str, Any]:
    """Return `targets`, target -> name of its results, and `header`, the columns of a submission; empty: none.

    `folder`: oof/<recipe>.
    """
    try:
        about: dict[str, Any] = json.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {"targets": {}, "header": []}
    return about


def write(folder: Path, targets: Mapping[str, str], header: Sequence[str]) -> None:
    """Write which results are of which target, for commands that have no recipe at hand."""
    content = json.dumps({"targets": targets, "header": header}, ensure_ascii=False, indent=1) + "\n"
    file = folder / FILE
    if file.is_file() and file.read_text("utf-8") == content:
        return
    with writing(str(folder)):
        folder.mkdir(parents=True, exist_ok=True)
        with whole(file) as temp:
            temp.write_text(content, "utf-8")


def forget(folder: Path) -> None:
    """Remove it: the recipe has one target now."""
    with writing(str(folder)):
        (folder / FILE).unlink(missing_ok=True)
