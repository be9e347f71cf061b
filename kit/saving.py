"""Saves learnt things (features, codecs, combiners) without pickle: a JSON tree beside a safetensors file of arrays.

A learnt thing is a frozen dataclass whose fields are arrays, bytes, strings, numbers, None, tuples, lists and mappings
of these, params, or further such dataclasses. Only classes of kit, and of a user's own trusted file, are made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kit import registry
from kit.errors import FitError
from kit.params import Params
from kit.types import Block

FORMAT = 1
"""Number of the layout of the tree."""

_TAG = "$"


def save(value: Any, folder: Path, name: str) -> None:
    """Write a value as `<name>.json` and, where it holds arrays, `<name>.safetensors` into an existing folder.

    Raises:
        TypeError: it holds something that has no form without pickle.
    """
    from safetensors.numpy import save_file

    arrays: dict[str, np.ndarray] = {}
    tree = _pack(value, arrays)
    (folder / f"{name}.json").write_text(json.dumps({"format": FORMAT, "value": tree}, ensure_ascii=False), "utf-8")
    if arrays:
        save_file(arrays, folder / f"{name}.safetensors")


def load(folder: Path, name: str, own: Mapping[str, str] | None = None) -> Any:
    """Return what `save` wrote; `own`: code of a user's own plug-in -> the file it is in now.

    Raises:
        FitError: the files are missing, damaged or of a later format.
    """
    from safetensors.numpy import load_file

    tensors = folder / f"{name}.safetensors"
    try:
        tree = json.loads((folder / f"{name}.json").read_text("utf-8"))
        arrays = load_file(tensors) if tensors.exists() else {}
        if tree["format"] > FORMAT:
            rule, advice = "written by a later kit", "update kit"
            raise FitError(rule, place=str(folder / name), got=f"format {tree['format']}", next=advice)
        return _unpack(tree["value"], arrays, own or {})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        advice = "run the recipe again with --keep-models"
        raise FitError(
            "a saved model cannot be read", place=str(folder / name), got=repr(error), next=advice
        ) from error


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return the JSON form of a value; arrays go into `arrays` under numbers."""
    if value is None or isinstance(value, bool | int | str | float | np.generic):
        return _scalar(value)
    if isinstance(value, bytes):
        return {_TAG: "bytes", "at": _keep(np.frombuffer(value, np.uint8), arrays)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OUS":
            return {_TAG: "strings", "shape": list(value.shape), "is": [str(v) for v in value.ravel()]}
        return {_TAG: "array", "shape": list(value.shape), "at": _keep(np.atleast_1d(value), arrays)}
    if isinstance(value, list | tuple):
        packed = [_pack(v, arrays) for v in value]
        return packed if isinstance(value, list) else {_TAG: "tuple", "is": packed}
    if isinstance(value, Mapping):
        return {_TAG: "map", "is": [[_pack(k, arrays), _pack(v, arrays)] for k, v in value.items()]}
    if isinstance(value, Params):
        return {_TAG: "params", "class": registry.reference(type(value)), "is": value.model_dump(mode="json")}
    if is_dataclass(value) and not isinstance(value, type):
        # What learning rows, and rows made of them, are worth is of no use to new ones.
        plain = replace(value, own=None) if isinstance(getattr(value, "own", None), Block) else value
        plain = replace(plain, apart=None) if hasattr(plain, "apart") else plain
        parts = {f.name: _pack(getattr(plain, f.name), arrays) for f in fields(plain) if f.init}
        return {_TAG: "data", "class": registry.reference(type(value)), "is": parts}
    raise TypeError(f"{type(value).__name__} cannot be saved without pickle: {value!r:.80}")


def _scalar(value: Any) -> Any:
    if isinstance(value, np.generic):
        return {_TAG: "scalar", "dtype": value.dtype.str, "is": value.item()}
    if isinstance(value, float) and not math.isfinite(value):
        return {_TAG: "float", "is": str(value)}
    return str(value) if isinstance(value, str) else value


def _keep(array: np.ndarray, arrays: dict[str, np.ndarray]) -> str:
    name = str(len(arrays))
    arrays[name] = np.ascontiguousarray(array)
    return name


def _unpack(tree: Any, arrays: Mapping[str, np.ndarray], own: Mapping[str, str]) -> Any:
    if isinstance(tree, list):
        return [_unpack(v, arrays, own) for v in tree]
    if not isinstance(tree, dict):
        return tree
    kind = tree[_TAG]
    if kind in ("bytes", "array"):
        array = arrays[tree["at"]]
        return array.tobytes() if kind == "bytes" else array.reshape(tree["shape"])
    if kind in ("float", "scalar", "strings"):
        return _plain(kind, tree)
    if kind == "tuple":
        return tuple(_unpack(v, arrays, own) for v in tree["is"])
    if kind == "map":
        return {_unpack(k, arrays, own): _unpack(v, arrays, own) for k, v in tree["is"]}
    cls = registry.referred(tree["class"], own)
    if kind == "params":
        return cls.model_validate(tree["is"])
    return cls(**{name: _unpack(v, arrays, own) for name, v in tree["is"].items()})


def _plain(kind: str, tree: Mapping[str, Any]) -> Any:
    if kind == "float":
        return float(tree["is"])
    if kind == "scalar":
        return np.dtype(tree["dtype"]).type(tree["is"])
    return np.array(tree["is"], dtype=object).reshape(tree["shape"])
