"""Workers: what a slot's process may load together, and that a stage's print does not reach stdout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kit import workers
from kit.engine import explain
from kit.errors import FitError
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


def test_an_error_of_a_library_is_told_by_its_name_and_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its class may be one that nobody but the worker can load: it must not leave the process."""

    class OddError(Exception):
        pass

    for raised, told in (
        (OddError("no such dataset"), (workers.Foreign, "OddError: no such dataset")),
        (FitError("no row"), (FitError, "no row")),
        (FloatingPointError("not finite"), (FloatingPointError, "not finite")),
    ):

        def run(*_: object, error: Exception = raised) -> None:
            raise error

        monkeypatch.setattr(workers, "run", run)
        with pytest.raises(told[0], match=f"^{told[1]}"):
            workers._work(stage("catboost").to_json(), str(tmp_path), 1)
    failure = explain(stage("catboost"), workers.Foreign("OddError: no such dataset"))
    assert failure.problem.got == "OddError: no such dataset"
