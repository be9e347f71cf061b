"""Benchmarks take hours and run seldom: what they name of kit must still be there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

FILES = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


def lost(tree: ast.AST) -> Iterator[str]:
    """Yield what a file names of kit and kit does not have: what it imports, and what it asks of an imported module."""
    modules: dict[str, ModuleType] = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] != "kit":
            continue
        parent = importlib.import_module(str(node.module))
        for item in node.names:
            try:
                found = getattr(parent, item.name, None) or importlib.import_module(f"{node.module}.{item.name}")
            except ModuleNotFoundError:
                yield f"{node.module}.{item.name}"
                continue
            if isinstance(found, ModuleType):
                modules[item.asname or item.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            module = modules[node.value.id]
            if not hasattr(module, node.attr):
                yield f"{module.__name__}.{node.attr}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_benchmark_names_is_there(path: Path) -> None:
    assert list(lost(ast.parse(path.read_text("utf-8")))) == []


def test_what_is_gone_is_found() -> None:
    text = "from kit import archive, nothing\nfrom kit.oof import Oof, Gone\narchive.rows(1)\narchive.read(2)\n"
    assert list(lost(ast.parse(text))) == ["kit.nothing", "kit.oof.Gone", "kit.archive.rows"]
