"""Workers: what a slot's process may load together, and that a stage's print does not reach stdout."""

from __future__ import annotations

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
    monkeypatch.setattr(workers, "ProcessPool", lambda **_: Pool())
    made = Workers(1, tmp_path)
    slot = made.slots[0]
    made.start(slot, stage("lightgbm"))
    first = slot.pool
    made.start(slot, stage("xgboost"))
    assert slot.pool is first
    made.start(slot, stage("torch"))
    assert (slot.pool is first) == same
