"""Bad input to import, blend, audit, submit, replay and lb: one clear error, exit 2, and nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import begin, results

import kit


def tree(toy) -> dict[str, tuple[int, int]]:
    """Return what lies under oof/ and submissions/, by size and time."""
    found = [p for part in ("oof", "submissions") for p in (toy.root / part).rglob("*") if p.is_file()]
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in found}


def refused(toy, *command: str) -> str:
    """Carry out a command that must fail, in words and without a trace; return the words."""
    before = tree(toy)
    done = toy.kit(*command)
    assert done.code == 2, done.out + done.err
    assert "Traceback" not in done.err
    assert tree(toy) == before
    assert not list((toy.root / ".kit").glob("tmp/*"))
    return done.err or done.out


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The folder of a competition that has been run."""
    toy = begin(tmp_path_factory.mktemp("once"))
    results(toy)
    return toy.folder


@pytest.fixture
def ran(toy, once):
    """A competition that has been run, with a good OOF `o.csv` and test file `t.csv` of a team-mate."""
    shutil.copytree(once, toy.folder, dirs_exist_ok=True)
    oof = toy.oof("a").with_columns(pl.col("pred") + 0.1 * pl.col("y") * (pl.col("id") % 3))
    oof.write_csv(toy.folder / "o.csv")
    toy.oof("a", "test").write_csv(toy.folder / "t.csv")
    return toy


def arrays(name: str, values: np.ndarray) -> Callable[[Path, pl.DataFrame], str]:
    def make(folder: Path, oof: pl.DataFrame) -> str:
        np.save(folder / name, values, allow_pickle=values.dtype == object)
        return name

    return make


def frames(name: str, *change: pl.Expr, rows: slice = slice(None)) -> Callable[[Path, pl.DataFrame], str]:
    def make(folder: Path, oof: pl.DataFrame) -> str:
        made = oof.with_columns(*change)[rows]
        made.write_parquet(folder / name) if name.endswith("parquet") else made.write_csv(folder / name)
        return name

    return make


def raw(name: str, content: bytes) -> Callable[[Path, pl.DataFrame], str]:
    def make(folder: Path, oof: pl.DataFrame) -> str:
        (folder / name).write_bytes(content)
        return name

    return make


def cut(folder: Path, oof: pl.DataFrame) -> str:
    oof.write_parquet(folder / "cut.parquet")
    (folder / "cut.parquet").write_bytes((folder / "cut.parquet").read_bytes()[:400])
    return "cut.parquet"


def empty_folder(folder: Path, oof: pl.DataFrame) -> str:
    (folder / "none").mkdir()
    return "none"


def twice(folder: Path, oof: pl.DataFrame) -> str:
    pl.concat([oof, oof.head(2)]).write_csv(folder / "twice.csv")
    return "twice.csv"


P = pl.col("pred")
BAD = {
    "wrong length": (arrays("x.npy", np.arange(100.0)), "100 rows, no ids"),
    "no rows": (frames("x.parquet", rows=slice(0)), "holds no rows"),
    "an empty array": (arrays("x.npy", np.empty(0)), "0 rows, no ids"),
    "objects": (arrays("x.npy", np.array([{}] * 120, object)), "cannot be read"),
    "words in an array": (arrays("x.npy", np.array(["x"] * 120)), "one number"),
    "complex numbers": (arrays("x.npy", np.ones(120, complex)), "one number"),
    "a number alone": (arrays("x.npy", np.array(3.0)), "one number"),
    "too many axes": (arrays("x.npy", np.ones((120, 2, 2))), "one number"),
    "two outputs": (arrays("x.npy", np.ones((120, 2))), "another number of outputs"),
    "half an array": (raw("x.npy", b"\x93NUMPY\x01\x00v\x00{"), "cannot be read"),
    "truncated parquet": (cut, "cannot be read"),
    "an empty file": (raw("x.csv", b""), "empty"),
    "a header alone": (raw("x.csv", b"id,pred\n"), "no rows"),
    "no text": (raw("x.csv", bytes(range(128, 256)) * 9), "not UTF-8"),
    "ragged lines": (raw("x.csv", b"id,pred\n1000,1\n1001,2,3\n"), "3 fields"),
    "an open quote": (raw("x.csv", b'id,pred\n1000,"1\n'), "quote is not closed"),
    "no gzip": (raw("x.csv.gz", b"no"), "gzip"),
    "another type": (raw("x.xlsx", b"PK"), "unknown file type"),
    "columns twice": (raw("x.csv", b"id,pred,pred\n1,2,3\n"), "stand twice"),
    "no folder of results": (empty_folder, "no oof predictions"),
    "no such file": (lambda folder, oof: "nowhere.csv", "does not exist"),
    "duplicate ids": (twice, "stands twice"),
    "missing ids": (frames("x.csv", rows=slice(1, None)), "1 ids of train not in the file"),
    "other ids": (frames("x.csv", pl.col("id") + 7), "ids are not those"),
    "ids between rows": (frames("x.parquet", pl.col("id") + 0.5), "ids are not those"),
    "no predictions": (frames("x.csv", pl.col("y").alias("pred")), "target: every row is predicted as its target"),
    "infinities": (frames("x.parquet", P / (pl.col("id") - 1003)), "finite"),
    "beyond float32": (frames("x.parquet", P * 1e300), "finite"),
    "gaps": (frames("x.parquet", pl.lit(None, pl.Float64).alias("pred")), "120 held rows"),
    "words": (frames("x.csv", pl.lit("x").alias("pred")), "must be numbers"),
    "lists": (frames("x.parquet", pl.concat_list("pred", "pred").alias("pred")), "must be numbers"),
    "another target": (frames("x.csv", pl.col("y") + 1), "another target"),
    "one fold": (frames("x.csv", pl.lit(1).alias("fold")), "one fold is none"),
    "folds between folds": (frames("x.csv", (pl.col("id") / 7).alias("fold")), "whole numbers or names"),
    "lists of folds": (frames("x.parquet", pl.concat_list("fold").alias("fold")), "whole numbers or names"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_oof_is_refused(ran, name):
    make, word = BAD[name]
    path = ran.folder / make(ran.folder, pl.read_csv(ran.folder / "o.csv"))
    command = ("import", str(path), "--name", "mate", "--recipe", str(ran.folder / "r.yaml"))
    assert word in refused(ran, *command)


FOLDS = {
    "a broken array": (raw("f.npy", b"abc"), "cannot be read"),
    "objects": (arrays("f.npy", np.array([None] * 120)), "cannot be read"),
    "another length": (arrays("f.npy", np.zeros(7, int)), "do not fit"),
    "fractions": (arrays("f.npy", np.ones(120) / 3), "do not fit"),
    "too few rows": (frames("f.csv", rows=slice(50)), "lacks rows"),
    "no text": (raw("f.csv", bytes(range(128, 256))), "not UTF-8"),
}


@pytest.mark.parametrize("name", FOLDS)
def test_a_file_that_is_no_folds_is_refused(ran, name):
    make, word = FOLDS[name]
    path = ran.folder / make(ran.folder, pl.read_csv(ran.folder / "o.csv"))
    command = ("import", str(ran.folder / "o.csv"), "--name", "mate", "--recipe", str(ran.folder / "r.yaml"))
    assert word in refused(ran, *command, "--folds", str(path))


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--folds", "KFold(5, shuffle=True)"), "draws other folds each time"),
        (("--folds", "RepeatedKFold(n_splits=3)"), "draws other folds each time"),
        (("--columns", "id"), "cannot be the columns of predictions"),
        (("--columns", "nothing"), "cannot be the columns of predictions"),
        (("--id", "nothing"), "lacks the id column"),
        (("--name", "../mate"), "small letters"),
        (("--name", "a"), "is a model or blend of the recipe"),
        (("--recipe", "nowhere.yaml"), "does not exist"),
        (("--test", "nowhere.csv"), "does not exist"),
    ],
)
def test_options_that_make_no_sense_are_refused(ran, more, word):
    given = {"--name": "mate", "--recipe": str(ran.folder / "r.yaml")} | {more[0]: more[1]}
    assert word in refused(ran, "import", str(ran.folder / "o.csv"), *(part for pair in given.items() for part in pair))


def test_test_files_that_are_none_are_refused(ran):
    test, command = pl.read_csv(ran.folder / "t.csv"), ("import", str(ran.folder / "o.csv"), "--name", "mate")
    for i, (frame, word) in enumerate((
        (test.head(10), "predict exactly the rows of the test file"),
        (pl.concat([test, test.head(1)]), "stands twice"),
        (test.with_columns(pred=pl.lit("x")), "must be numbers"),
        (test.with_columns(pred=pl.lit(None, pl.Float64)), "there and finite"),
        (test.with_columns(pred=pl.lit(0.5)), "constant_test"),
    )):  # fmt: skip
        path = ran.folder / f"test{i}.parquet"
        frame.write_parquet(path)
        assert word in refused(ran, *command, "--recipe", str(ran.folder / "r.yaml"), "--test", str(path))
    np.save(ran.folder / "short.npy", np.zeros(120))
    given = ("--recipe", str(ran.folder / "r.yaml"), "--test", str(ran.folder / "short.npy"))
    assert "these look like out-of-fold predictions" in refused(ran, *command, *given)


def test_a_metric_of_classes_wants_classes(ran):
    command = ("import", str(ran.folder / "o.csv"), "--name", "mate", "--metric", "auc")
    assert "wants classes" in refused(ran, *command)


def card(**changes: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "card.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")

    return damage


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def changed(name: str, *change: pl.Expr, rows: int = 10**9) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        pl.read_parquet(folder / name).with_columns(*change).head(rows).write_parquet(folder / name)

    return damage


DAMAGE = {
    "a card of nothing": (written("card.json", b"{}"), "the card is damaged"),
    "a card that is a list": (written("card.json", b"[]"), "the card is damaged"),
    "half a card": (written("card.json", b'{"recipe": '), "the card cannot be read"),
    "no metric": (card(metric=None), "metric: None"),
    "classes of no list": (card(classes=5), "classes: 5"),
    "a strange format": (card(format="x"), "format: x"),
    "another format": (card(format=99), "a newer kit wrote this"),
    "classes it has not": (card(classes=["a", "b"]), "y is not what the card says"),
    "no rows": (changed("oof.parquet", rows=0), "holds no rows"),
    "words": (changed("oof.parquet", pl.lit("x").alias("pred")), "must be numbers"),
    "words for folds": (changed("oof.parquet", pl.lit("x").alias("fold")), "whole numbers"),
    "words for y": (changed("oof.parquet", pl.lit("x").alias("y")), "y is not what the card says"),
    "half a file": (written("oof.parquet", b"PAR1"), "cannot be read"),
    "half a test file": (written("test.parquet", b"PAR1"), "cannot be read"),
    "rows that are not in every repeat": (changed("oof.parquet", pl.Series("repeat", [0, 1, 2, 3, 4, 5, 6] * 17 + [0])), "every repeat"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_folder_is_told_and_stops_nothing_else(ran, name):
    damage, word = DAMAGE[name]
    folder = ran.root / "oof" / "r" / "b"
    damage(folder)
    assert word in refused(ran, "blend", "r:a", "r:b")
    assert word in refused(ran, "audit")
    assert {line["model"] for line in kit.ls(ran.root)} >= {"a", "mix", "final"}
    assert ran.kit("log").code == 0
    shutil.rmtree(folder)
    assert ran.kit("audit").code == 0


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (("blend",), "needs a source"),
        (("blend", "nothing"), "no result goes by this name"),
        (("blend", "r:a", "x:a"), "no such result"),
        (("blend", "train.csv"), "no result goes by this name"),
        (("audit", "nothing"), "no such result"),
        (("replay", "99"), "no such submission"),
        (("replay", "x"), "no number of a submission"),
        (("replay", "1", "--out", "."), "could not be written"),
        (("replay", "1", "--out", "nowhere/x.csv"), "could not be written"),
        (("lb", "blend"), "no submission has a public score"),
        (("lb", "blend", "--board", "x"), "unknown board"),
        (("lb", "blend", "--name", "../x"), "a name is made of"),
        (("lb", "add", "99", "1"), "no such submission"),
        (("lb", "add", "1", "nan"), "must be a number"),
        (("lb", "add", "1", "1", "--board", "x"), "unknown board"),
        (("lb", "add", "broken.csv", "1"), "not UTF-8"),
        (("lb", "add", "nowhere.csv", "1"), "no number of a submission"),
        (("submit", "--recipe", "r.yaml", "--check", "nowhere.csv"), "does not exist"),
        (("submit", "--recipe", "r.yaml", "--check", "broken.csv"), "not UTF-8"),
        (("submit", "--recipe", "r.yaml", "--check", "."), "is a folder"),
        (("submit", "--recipe", "nowhere.yaml", "--check", "test.csv"), "recipe does not exist"),
    ],
)
def test_other_commands_refuse_what_they_cannot_do(ran, monkeypatch, command, word):
    monkeypatch.chdir(ran.folder)
    (ran.folder / "broken.csv").write_bytes(bytes(range(128, 256)))
    assert word in refused(ran, *command)


def test_a_card_makes_nobody_run_a_file(toy, monkeypatch):
    """Results of others may name a metric that is a file: it is not loaded unless one says --trust."""
    ran = toy  # and no copy, of which the recipe would be found where it was run
    ran.run()
    monkeypatch.chdir(ran.folder)
    (ran.folder / "evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n", "utf-8")
    for name in "ab":
        card(metric="evil.py")(ran.root / "oof" / "r" / name)
    (ran.folder / "r.yaml").rename(ran.folder / "elsewhere.yaml")
    assert "file of its own" in refused(ran, "blend", "r:a", "r:b")
    assert ran.kit("audit", "r:a", "r:b").code == 0
    about = ran.root / "submissions" / "0001-r.json"
    changed_ = {**json.loads(about.read_text("utf-8")), "metric": "evil.py"}
    changed_["resolved"]["metric"] = "./evil.py"
    about.write_text(json.dumps(changed_), "utf-8")
    shutil.rmtree(ran.root / ".kit")
    ran.kit("replay", "1")
    assert ran.kit("log").code == 0
    assert not (ran.folder / "ran").exists()


def test_a_full_disk_leaves_nothing_half_written(ran, monkeypatch):
    """What cannot be written whole is not written: no folder, no rest of one, and the former result stays."""
    from kit import oofdir

    def full(frame: pl.DataFrame, path: Path) -> None:
        if path.name == "folds.parquet":
            raise OSError(28, "No space left on device")
        path.write_bytes(b"half")

    take = ("import", str(ran.folder / "o.csv"), "--name", "mate", "--recipe", str(ran.folder / "r.yaml"))
    monkeypatch.setattr(oofdir, "parquet", full)
    for command in (take, ("blend", "r:a", "r:b", "--name", "ab")):
        assert "could not be written\n  got:     No space left" in refused(ran, *command)
    monkeypatch.undo()
    assert not list((ran.root / ".kit").rglob("half")) and not list((ran.root / ".kit" / "tmp").glob("*"))
    assert ran.kit(*take).code == 0
