"""`kit blend` on OOF folders written by hand: what goes together, what is refused, what is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

import kit
from kit import oofdir
from kit.cli import main
from kit.errors import KitError
from kit.oof import Oof
from kit.types import Task

N, T, K = 400, 60, 4
REGRESSION = Task("regression")
BINARY = Task("binary", "logloss", ("no", "yes"), "yes")
MULTI = Task("multiclass", "softmax", ("a", "b", "c"))
METRICS = {"regression": "rmse", "binary": "logloss", "multiclass": "logloss"}


def truth(task: Task) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    draw = rng.normal(size=N + T) if task.kind == "regression" else rng.integers(0, max(2, task.n_out), N + T)
    return draw[:N].astype(float), draw[N:].astype(float)


def preds(task: Task, y: np.ndarray, noise: np.ndarray) -> np.ndarray:
    hot = (y[:, None] == np.arange(task.n_out)).astype(float) if task.n_out > 1 else y[:, None]
    raw = hot + noise
    if task.kind == "regression":
        return raw.astype(np.float32)
    odds = np.exp(2 * raw - (1 if task.n_out == 1 else 0))
    return (odds / (1 + odds) if task.n_out == 1 else odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)


class Pool:
    """A folder with oof/r/<name>, noisy sources of one task."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        name: str,
        size: float,
        task: Task = REGRESSION,
        edit: Callable[[Oof], Oof] = lambda oof: oof,
        order: np.ndarray | None = None,
        card: Mapping[str, Any] | None = None,
        group: np.ndarray | None = None,
    ) -> Path:
        rng = np.random.default_rng(sum(map(ord, name)))
        y, y_test = truth(task)
        fold = (np.arange(N) % K).astype(np.int16)[None]
        m = task.n_out
        shared = rng.normal(size=(T, m)) * size
        test = np.stack([preds(task, y_test, shared + 0.3 * size * rng.normal(size=(T, m))) for _ in range(K)])
        oof = edit(Oof(fold, y, preds(task, y, size * rng.normal(size=(N, m)))[None], test))
        order = np.arange(len(oof.y)) if order is None else order
        oof = Oof(oof.fold[:, order], oof.y[order], oof.pred[:, order], oof.test)
        ids = pl.Series("id", [f"row{i}" for i in range(len(order))]).gather(order)
        test_ids = pl.Series("id", [f"t{i}" for i in range(oof.test.shape[1])])
        folder = self.root / "oof" / "r" / name
        folder.mkdir(parents=True)
        told = {
            **{"format": 1, "recipe": "r", "model": name, "key": f"{name:0<64}", "use": "lightgbm"},
            **{"metric": METRICS[task.kind], "score": 1.0, "kind": "value" if task.kind == "regression" else "proba"},
            **{"classes": list(task.classes), "positive": task.positive, "target": "y", "peeked": False},
            **{"transductive": False, "folds_key": "f", "sources": [], **(card or {})},
        }
        content = oofdir.Content(oof, task, "id", ids, test_ids, None, group if group is None else group[order])
        oofdir.write(folder, content, told)
        return folder

    def blend(self, *sources: str, **how: Any) -> Any:
        return kit.blend(sources or ("r:*",), root=self.root, **how)


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


@pytest.mark.parametrize("task", [REGRESSION, BINARY, MULTI])
def test_a_blend_is_an_oof_and_a_submission(pool: Pool, task: Task) -> None:
    for name, size in (("a", 0.8), ("b", 0.9), ("c", 1.0)):
        pool.add(name, size, task)
    made = pool.blend(name="all")
    folder = pool.root / "oof" / "blends" / "all"
    frame, card = pl.read_parquet(folder / "oof.parquet"), json.loads((folder / "card.json").read_text())
    assert frame.height == N and {p.name for p in folder.iterdir()} == {
        *("oof.parquet", "test.parquet", "test_folds.parquet", "folds.parquet", "card.json")
    }
    assert card["score"] == pytest.approx(card["nested"]["score"])
    by_use = {line["use"]: line for line in card["table"]}
    assert {"best", "mean", "hill_climb", "nnls", "ridge", "shrunk"} <= set(by_use)
    assert by_use["mean"]["nested"] < by_use["best"]["nested"]
    assert card["nested"]["low"] < card["nested"]["expected"] < card["nested"]["high"]
    submitted = pl.read_csv(made.submission)
    assert submitted["id"].to_list() == [f"t{i}" for i in range(T)]
    assert submitted.width == 1 + max(1, task.n_out)
    assert Path(made.submission).name == "0001-all.csv"


def test_the_second_call_does_nothing_and_the_third_after_an_edit_does(pool: Pool) -> None:
    for name in "abc":
        pool.add(name, 0.8)
    first = pool.blend()
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (pool.root / "oof" / "blends").rglob("*.*")}
    again = pool.blend()
    assert first.ran and not again.ran and again.submission == first.submission
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (pool.root / "oof" / "blends").rglob("*.*")}
    assert kit.gc(pool.root) == (0, 0)
    assert pool.blend(use="mean").ran
    assert list((pool.root / "oof" / "blends" / "_history").iterdir())


def test_rows_are_matched_by_id(pool: Pool) -> None:
    for name, size in (("a", 0.6), ("b", 0.9)):
        pool.add(name, size)
    kept = pool.blend(name="straight").card["score"]
    pool.add("c", 0.6, order=np.random.default_rng(0).permutation(N))
    alone = pl.read_parquet(pool.root / "oof/r/c/oof.parquet")
    assert alone["id"][0] != "row0"
    turned = pool.blend("r:b", "r:a", name="turned").card["score"]
    assert turned == pytest.approx(kept, rel=1e-9)
    pool.add("a2", 0.6)
    straight = pool.blend("r:a", "r:a2", name="s", use="mean").card["score"]
    rng = np.random.default_rng(sum(map(ord, "a2")))
    shuffled = Pool(pool.root / "other")
    shuffled.add("a", 0.6)
    shuffled.add("a2", 0.6, order=rng.permutation(N))
    assert shuffled.blend("r:a", "r:a2", name="s", use="mean").card["score"] == pytest.approx(straight, rel=1e-9)


def refused(pool: Pool, *sources: str, **how: Any) -> str:
    with pytest.raises(KitError) as caught:
        pool.blend(*sources, **how)
    return str(caught.value)


def test_what_does_not_go_together_is_refused_with_what_does(pool: Pool) -> None:
    from dataclasses import replace

    for name in "abc":
        pool.add(name, 0.8)
    pool.add("odd", 0.8, edit=lambda o: replace(o, fold=o.fold[:, ::-1].copy() // 2))
    pool.add("other_y", 0.8, edit=lambda o: replace(o, y=o.y + (np.arange(N) == 3)))
    pool.add("short", 0.8, order=np.arange(N - 5))
    text = refused(pool)
    assert "r:odd cannot be blended with r:a\n  got:     its folds are others" in text
    assert "r:other_y cannot be blended with r:a\n  got:     its y is another target" in text
    assert "its training ids are others: 395 rows, 5 of the 400" in text and "3 go together: r:a, r:b, r:c" in text
    assert "--mixed-folds" not in text and "--mixed-folds" in refused(pool, "r:a", "r:odd")
    made = pool.blend("r:a", "r:odd", mixed_folds=True)
    assert made.card["mixed_folds"] and "sources of different folds" in made.card["notes"]
    renumbered = Pool(pool.root / "n")
    renumbered.add("a", 0.8)
    renumbered.add("b", 0.8, edit=lambda o: replace(o, fold=(K - 1 - o.fold).astype(np.int16)))
    assert not renumbered.blend().card["mixed_folds"]


def test_other_tasks_and_class_orders_are_refused(pool: Pool) -> None:
    pool.add("a", 0.8, MULTI)
    pool.add("turned", 0.8, MULTI, card={"classes": ["b", "a", "c"]})
    pool.add("labels", 0.8, MULTI, card={"kind": "label"})
    pool.add("binary", 0.8, BINARY)
    assert "its classes, or their order, is b, a, c" in refused(pool, "r:a", "r:turned")
    assert "its kind is label" in refused(pool, "r:a", "r:labels")
    assert "its classes" in refused(pool, "r:a", "r:binary")


def test_bad_input_is_one_clear_error(pool: Pool) -> None:
    from dataclasses import replace

    with pytest.raises(KitError, match="a blend needs a source"):
        kit.blend((), root=pool.root)
    pool.add("a", 0.8)
    assert "no result goes by this name" in refused(pool, "r:x*")
    assert "there is no such result" in refused(pool, "r:b")
    pool.add("inf", 0.8, edit=lambda o: replace(o, pred=np.where(np.arange(N)[:, None] == 5, np.inf, o.pred)))
    assert "predictions must be finite" in refused(pool, "r:a", "r:inf")
    pool.add("gap", 0.8, edit=lambda o: replace(o, pred=np.where(np.arange(N)[:, None] == 5, np.nan, o.pred)))
    assert "held rows without a prediction" in refused(pool, "r:a", "r:gap")
    path = pool.add("cut", 0.8) / "oof.parquet"
    path.write_bytes(path.read_bytes()[:200])
    assert "the file cannot be read" in refused(pool, "r:a", "r:cut")
    assert "unknown stacker" in refused(pool, "r:a", use="hil_climb")
    assert "must be" in refused(pool, "r:a", use="hill_climb", set={"steps": 0})
    assert "has no simple form" in refused(pool, "r:a", use="mean", simple=True)
    assert "does not fit a regression" in refused(pool, "r:a", metric="auc")
    assert "a name is made of" in refused(pool, "r:a", name="../x")


def test_sources_are_named_in_many_ways(pool: Pool) -> None:
    for name in "abc":
        pool.add(name, 0.8)
    wanted = ["r:a", "r:b", "r:c"]
    for refs in (
        ["r:*"],
        [str(pool.root / "oof/r")],
        ["oof/r/*"],
        ["r:a", "r:[bc]"],
        [str(pool.root / "oof/r/a"), "oof/r"],
    ):
        assert pool.blend(*refs, use="mean").card["sources"] == wanted
    history = pool.root / "oof/r/_history"
    history.mkdir()
    (pool.root / "oof/r/c").rename(history / "c@cccccccc")
    assert pool.blend("r:a", "r:c@cccccccc").card["sources"][1].startswith("r:c@")


def test_blends_compose_and_a_pattern_leaves_out_blends_of_what_is_there(pool: Pool) -> None:
    for name in "abc":
        pool.add(name, 0.8)
    pool.blend("r:a", "r:b", name="ab")
    deep = pool.blend("blends:ab", "r:c", name="abc", use="nnls")
    assert deep.card["sources"] == ["blends:ab", "r:c"] and sum(deep.card["weights"].values()) == pytest.approx(1)
    assert pool.blend("r:*", "blends:*", name="all").card["sources"] == ["r:a", "r:b", "r:c"]


def test_a_blend_beside_its_own_sources_is_named_as_overfitting(pool: Pool) -> None:
    """Its fold weights differ from its final ones by what y says; nothing of that is there on test."""
    for i, name in enumerate("abcdefgh"):
        pool.add(name, 1.5 + 0.1 * i)
    pool.blend(name="stack", use="ridge", set={"l2": 1e-6})
    made = pool.blend("r:*", "blends:stack", name="leak")
    assert made.card["overfitted"] and "blends:stack differs" in made.card["nested"]["overfitted"]
    assert not pool.blend("r:*", name="honest").card["overfitted"]


def test_members_are_judged(pool: Pool) -> None:
    pool.add("good", 0.5)
    pool.add("other", 0.55)
    pool.add("junk", 8.0)
    found = {m["name"]: m for m in pool.blend().card["members"]}
    assert found["r:good"]["verdict"] == found["r:other"]["verdict"] == "adds"
    assert found["r:junk"]["gain"] < 0.05 * found["r:other"]["gain"] and found["r:junk"]["verdict"] == "noise"


def test_groups_of_the_folder_widen_the_error(pool: Pool) -> None:
    from dataclasses import replace

    group = np.arange(N) // 40
    shift = np.random.default_rng(5).normal(size=N // 40)[group]

    def shifted(oof: Oof) -> Oof:
        return replace(oof, pred=(oof.pred + shift[:, None]).astype(np.float32))

    grouped, plain = Pool(pool.root / "g"), Pool(pool.root / "p")
    for name in "ab":
        grouped.add(name, 0.5, edit=shifted, group=group)
        plain.add(name, 0.5, edit=shifted)
    assert grouped.blend(use="mean").card["nested"]["se"] > 1.5 * plain.blend(use="mean").card["nested"]["se"]


def test_the_command_prints_one_object(pool: Pool) -> None:
    for name in "ab":
        pool.add(name, 0.8)
    args = ["blend", "r:*", "--root", str(pool.root), "--use", "hill_climb", "--set", "steps=20", "--name", "h"]
    done = CliRunner().invoke(main, [*args, "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and len(done.stdout.splitlines()) == 1
    assert {"recipe", "submission", "models", "blends", "stages", "truncated", "seconds"} <= set(found)
    assert found["stages"] == {"run": 1, "reused": 0, "failed": 0} and found["use"] == "hill_climb"
    shown = CliRunner().invoke(main, args)
    assert shown.exit_code == 0 and "> hill_climb*" in shown.stdout and "expected on test" in shown.stdout
    assert CliRunner().invoke(main, ["blend", "r:x", "--root", str(pool.root)]).exit_code == 2
