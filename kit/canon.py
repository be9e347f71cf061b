"""Canonical forms: JSON that hashes the same everywhere, code fingerprints and named random streams."""

from __future__ import annotations

import ast
import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from blake3 import blake3
from numpy.random import PCG64, Generator

FORMAT = 1
"""Number of the key grammar and object layout; a change of meaning raises it and old objects become misses."""

_ROOT = Path(__file__).resolve().parent
_BUFFER = 1 << 18
_PIECE = 1 << 25
"""Bytes of a data file that are hashed as one."""
_CALCULATE = ("bins", "em", "tilt")
"""Modules of kit itself that several plug-ins or stages calculate with: part of the fingerprint of each."""


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no spaces; equal values give equal text.

    A float that is whole stays a float ("1.0"), so 1 and 1.0 differ, as they may for a library.

    Raises:
        TypeError: for what JSON has no form for.
        ValueError: for NaN.

    >>> canonical({"b": (1, 2.0), "a": float("inf")})
    '{"a":"inf","b":[1,2.0]}'
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, float):
        if math.isnan(value):
            raise ValueError("NaN has no canonical form")
        return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def whole(text: str) -> str:
    r"""Return text, halves of characters joined as JSON's escapes write them; a half alone becomes a question mark.

    >>> whole("\ud83d\ude00") == "\U0001f600"
    True
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def key_of(ingredients: Mapping[str, object]) -> str:
    """Return the sha256 (64 hex digits) of the ingredients of a result, the store format included."""
    return hashlib.sha256(canonical({"format": FORMAT, **ingredients}).encode()).hexdigest()


def digest_file(path: Path) -> str:
    """Return the sha256 (64 hex digits) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_data(path: Path, threads: int) -> str:
    """Return 64 hex digits of a data file: its BLAKE3 digest, or that of those of its pieces where it has several.

    The pieces are the same whatever the number of threads that hash them.
    """
    starts = range(0, path.stat().st_size, _PIECE)
    if len(starts) <= 1:
        return digest_object(path)
    with ThreadPoolExecutor(threads) as pool:
        return blake3("/".join(pool.map(partial(digest_object, path, size=_PIECE), starts)).encode()).hexdigest()


def digest_object(path: Path, start: int = 0, size: int = sys.maxsize) -> str:
    """Return the BLAKE3 digest (64 hex digits) of a file's bytes, or of so many from `start` on.

    For what is long, as arrays: on one core three times as fast as sha256, by which goes what other tools look at.
    """
    digest, left, buffer = blake3(), size, memoryview(bytearray(_BUFFER))
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while left and (n := file.readinto(buffer[:left])):
            digest.update(buffer[:n])
            left -= n
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """Return 16 hex digits that change with the code of a module, not with its comments, docstrings or layout.

    Modules of the same package folder that it imports (and, beside a file of the user's own, any local file) count as
    part of it, for a change in them changes what it does. A user's own file is read anew each time: in a notebook it
    changes between two calls of one process.
    """
    own = not path.resolve().is_relative_to(_ROOT)
    return _code_digest(path) if own else _kit_digest(path)


def code_file(module: ModuleType) -> str:
    """Return the fingerprint of one of kit's own modules."""
    return _kit_digest(Path(str(module.__file__)))


@cache
def _kit_digest(path: Path) -> str:
    """Return the fingerprint of one of kit's own modules.

    It is kept where Python keeps modules compiled, with the digests of the files it was made of: to parse the code
    that reads a table takes longer than to read a small one.
    """
    kept = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.code.json"
    with suppress(OSError, ValueError, TypeError, AttributeError):
        found, parts = json.loads(kept.read_text("utf-8"))
        if all(_source_digest(_ROOT / name) == digest for name, digest in parts.items()):
            return str(found)
    found = _code_digest(path)
    parts = {p.relative_to(_ROOT).as_posix(): _source_digest(p) for p in (Path(__file__).resolve(), *parts_of(path))}
    with suppress(OSError):  # the package may lie where this user writes nothing
        kept.parent.mkdir(exist_ok=True)
        temp = kept.with_suffix(f".{os.getpid()}")
        temp.write_text(json.dumps([found, parts]), "utf-8")
        temp.replace(kept)
    return found


@cache
def _source_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _code_digest(path: Path) -> str:
    return code_of_parts(path)[0]


def code_of_parts(path: Path) -> tuple[str, dict[Path, str]]:
    """Return the fingerprint of a module, and a digest of each file whose code counts in it."""
    digest, parts = hashlib.sha256(), {}
    for part in parts_of(path):
        code = _read(part)[1]
        digest.update(code)
        parts[part] = hashlib.sha256(code).hexdigest()
    return digest.hexdigest()[:16], parts


def parts_of(path: Path) -> list[Path]:
    """Return `path` and the plug-in level modules it imports, directly or not, sorted after the first."""
    found: set[Path] = set()
    todo = [path.resolve()]
    while todo:
        current = todo.pop()
        if current in found:
            continue
        found.add(current)
        for name in _read(current)[0]:
            todo.extend(_locate(name, current))
    return [path.resolve(), *sorted(found - {path.resolve()})]


def _read(path: Path) -> tuple[list[str], bytes]:
    """Return what a module imports and its code, comments, docstrings and layout dropped."""
    return _read_kit(path) if path.is_relative_to(_ROOT) else _parsed(path)


@cache
def _read_kit(path: Path) -> tuple[list[str], bytes]:
    return _parsed(path)


def _parsed(path: Path) -> tuple[list[str], bytes]:
    tree = ast.parse(path.read_text("utf-8"))
    return _imported(tree), ast.dump(_without_docstrings(tree)).encode()


def _imported(tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in _blocks(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the module, its statements and what holds statements: a tenth of all the nodes."""
    yield node
    for field in ("body", "orelse", "finalbody", "handlers", "cases"):
        inner = getattr(node, field, None)
        if isinstance(inner, list):
            for child in inner:
                yield from _blocks(child)


def _locate(name: str, importer: Path) -> list[Path]:
    """Return the file of module `name` where its code counts: in a folder of kit, _CALCULATE, beside the importer."""
    parts = name.split(".")
    if importer.is_relative_to(_ROOT):
        own = parts[0] == _ROOT.name and (len(parts) > 2 or parts[-1] in _CALCULATE)
        target = _ROOT.joinpath(*parts[1:]) if own else None
    else:
        target = importer.parent.joinpath(*parts)
    if target is None:
        return []
    return [p.resolve() for p in (target.with_suffix(".py"), target / "__init__.py") if p.is_file()]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    """Return the tree without strings that stand alone: docstrings and the docs below fields."""
    for node in _blocks(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not _is_text(s)]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def stream(seed: int, *name: str | int) -> Generator:
    """Return the random generator of that name: the same for the same seed and name, independent for others.

    >>> int(stream(7, "fit", 0, 3).integers(100)) == int(stream(7, "fit", 0, 3).integers(100))
    True
    """
    digest = hashlib.sha256(canonical([seed, *name]).encode()).digest()
    return Generator(PCG64(int.from_bytes(digest[:16], "little")))
