"""Which device learners may use, told without importing any of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal


def detect() -> Literal["cpu", "cuda"]:
    """Return "cuda" where a CUDA device is visible to this process, else "cpu"."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return "cpu"
    return "cuda" if Path("/dev/nvidia0").exists() or shutil.which("nvidia-smi") else "cpu"


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
