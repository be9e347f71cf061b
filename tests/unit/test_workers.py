"""Workers: what a slot's process may load together, and that a stage's print does not reach stdout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kit import workers
from kit.stage import Stage
from kit.workers import Workers


def stage(lib: str) -> Stage:
    return Stage(f"fit {lib}", "fit", lib, {"verb": "fit", "libs": {lib: "1.0"}})


@pytest.mark.parametrize(("apart", "same"), [(True, False), (False, True)])
def test_torch_gets_a_process_of_its_own_where_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: bool, same: bool
) -> None:
    class Pool:
        def schedule(self, *_: object, **__: object) -> str:
            return "future"

        def stop(self) -> None: ...

        def join(self) -> None: ...

    monkeypatch.setattr(workers, "APART", apart)
    monkeypatch.setattr("pebble.ProcessPool", lambda **_: Pool())
    made = Workers(1, tmp_path)
    slot = made.slots[0]
    made.start(slot, stage("lightgbm"))
    first = slot.pool
    made.start(slot, stage("xgboost"))
    assert slot.pool is first
    made.start(slot, stage("torch"))
    assert (slot.pool is first) == same


def test_a_process_does_not_run_the_script_that_starts_it_once_more(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "from kit.spawning import Process\n"
        "print('script', __name__, flush=True)\n"
        "process = Process(target=print, args=('process',))\n"
        "process.start()\n"
        "process.join()\n"
        "print(process.exitcode, __import__('__main__').__name__ == __name__)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["script __main__", "process", "0 True"]
    assert done.stderr == ""
