"""A worker does not outlive the command that began it."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """\
import multiprocessing, os
from types import SimpleNamespace
from kit.workers import _die_with_parent
multiprocessing.parent_process = lambda: SimpleNamespace(pid={pid})
_die_with_parent()
print("works on")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked in the way of Linux")
@pytest.mark.parametrize(("pid", "code", "said"), [("os.getppid()", 0, "works on"), ("-1", 1, "")])
def test_a_worker_whose_parent_died_while_it_began_ends_at_once(pid: str, code: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(pid=pid)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.strip()) == (code, said), done.stderr
