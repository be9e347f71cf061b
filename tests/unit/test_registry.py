"""Plug-ins that are files of one's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kit import registry

METRIC = (
    "BETTER, TASKS, WANTS, CODEC = 'lower', ('regression',), 'value', 'identity'\n"
    "OBJECTIVE = {'regression': 'squared'}\n"
    "def score(task, y, pred, v): return 0.0\n"
)
"""What every metric must offer."""


def test_a_file_is_run_as_it_is_however_soon_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes a file of the same size that was changed in the same second for the one it compiled before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "own.py"
    for value in (1, 2):
        path.write_text(f"{METRIC}VALUE = {value}\n")
        os.utime(path, (1, 1))
        module = registry.load("metrics", str(path))
        assert (module.VALUE, module.__file__) == (value, str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["own.py"]


def test_a_changed_module_beside_a_file_is_imported_anew(tmp_path, monkeypatch):
    """In a notebook the second run had the name of the new code and did what the old one does."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path, near, far = tmp_path / "own.py", tmp_path / "near_own.py", tmp_path / "deeper_own" / "far.py"
    far.parent.mkdir()
    path.write_text(f"{METRIC}import near_own\nVALUE = near_own.VALUE\n")
    near.write_text("from deeper_own.far import VALUE\n")
    found = []
    for value in (1, 2, 1):
        far.write_text(f"VALUE = {value}\n")
        os.utime(far, (1, 1))
        module = registry.load("metrics", str(path))
        found.append(module.VALUE)
        assert registry.load("metrics", str(path)) is module
    assert found == [1, 2, 1]
    assert not list(tmp_path.rglob("*.pyc")) and not any("_Beside" in repr(finder) for finder in sys.meta_path)


def test_modules_of_one_name_in_two_folders_are_two(tmp_path):
    """The second recipe's file was given the first one's helpers."""
    for value in (1, 2):
        folder = tmp_path / f"f{value}"
        folder.mkdir()
        (folder / "own.py").write_text(f"{METRIC}import shared_own\nNUMBER = {value}\nVALUE = shared_own.VALUE\n")
        (folder / "shared_own.py").write_text(f"VALUE = {value}\n")
        found = registry.load("metrics", str(folder / "own.py")).VALUE
        assert found == value


def test_files_called_as_modules_of_python_or_of_packages_leave_these_alone(tmp_path):
    (tmp_path / "own.py").write_text(f"{METRIC}import json, yaml\nVALUE = json.dumps(yaml.safe_load('1'))\n")
    for name in ("json", "yaml"):
        (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    import yaml

    before = sys.modules["json"], sys.modules["yaml"]
    assert registry.load("metrics", str(tmp_path / "own.py")).VALUE == "1"
    assert (sys.modules["json"], sys.modules["yaml"]) == before and before[1] is yaml
