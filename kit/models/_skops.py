"""Estimators of scikit-learn as files of skops: no pickle, no foreign types, the same bytes for the same model."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from kit.errors import DataError

TRUSTED = ("sklearn.", "numpy.", "scipy.sparse.")
"""First words of the types a model file may hold."""

_SCHEMA = "schema.json"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def save(model: Any, file: Path) -> None:
    """Write the estimator. skops names its parts by memory addresses and stamps them with the time; both are undone."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts.pop(_SCHEMA))
    names: dict[str, str] = {}
    schema = _renamed(schema, {}, names)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        for old, new in names.items():
            out.writestr(_entry(new), parts[old])
        out.writestr(_entry(_SCHEMA), json.dumps(schema))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _renamed(node: Any, ids: dict[int, int], files: dict[str, str]) -> Any:
    """Return the schema with ids and file names numbered in the order they are met; `files`: old name -> new."""
    if isinstance(node, list):
        return [_renamed(each, ids, files) for each in node]
    if not isinstance(node, dict):
        return node
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__":
            out[key] = ids.setdefault(value, len(ids) + 1)
        elif key == "file" and isinstance(value, str):
            out[key] = files.setdefault(value, f"{len(files) + 1}{Path(value).suffix}")
        else:
            out[key] = _renamed(value, ids, files)
    return out


def load(file: Path) -> Any:
    """Return the estimator of a file.

    Raises:
        DataError: it holds a type that is neither scikit-learn's nor numpy's.
    """
    import skops.io

    foreign = skops.io.get_untrusted_types(file=file)
    bad = [name for name in foreign if not name.startswith(TRUSTED)]
    if bad:
        raise DataError("the model file holds foreign types", place=str(file), got=", ".join(bad))
    return skops.io.load(file, trusted=foreign)
