"""Plug-ins that are files of one's own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kit import registry


def test_a_file_is_run_as_it_is_however_soon_it_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python takes a file of the same size that was changed in the same second for the one it compiled before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "own.py"
    for value in (1, 2):
        path.write_text(f"VALUE = {value}\n")
        os.utime(path, (1, 1))
        module = registry.load("metrics", str(path))
        assert (module.VALUE, module.__file__) == (value, str(path))
    assert [p.name for p in tmp_path.iterdir()] == ["own.py"]
