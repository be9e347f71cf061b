"""From a team-mate's files to a submission, by commands: import, audit, blend with a recipe's results, replay."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kit import intact


class Mate:
    """Least squares on the toy competition as a notebook makes it, on the folds of the recipe or on others."""

    def __init__(self, toy, fold: np.ndarray, column: str = "x2") -> None:
        self.toy, self.recipe = toy, str(toy.folder / "r.yaml")
        train, test = (pl.read_csv(toy.folder / f"{name}.csv") for name in ("train", "test"))
        x, x_test = (np.c_[f["x1"], f[column] ** 2, np.ones(len(f))] for f in (train, test))
        self.ids, self.test_ids, self.y, self.fold = train["id"], test["id"], train["y"].to_numpy(), fold
        self.pred, self.test = np.empty(len(x)), np.zeros(len(x_test))
        parts = np.unique(fold)
        for k in parts:
            w = np.linalg.lstsq(x[fold != k], self.y[fold != k], rcond=None)[0]
            self.pred[fold == k] = x[fold == k] @ w
            self.test += x_test @ w / len(parts)

    def save(self, suffix: str, *, ids: bool, name: str = "m", fold: str | None = None) -> tuple[str, str]:
        """Write OOF and test predictions, rows in another order where ids name them; return the paths."""
        paths = [self.toy.folder / f"{name}_{part}.{suffix}" for part in ("oof", "test")]
        for path, keys, pred in zip(paths, (self.ids, self.test_ids), (self.pred, self.test), strict=True):
            if suffix == "npy":
                np.save(path, pred.astype(np.float32))
                continue
            frame = pl.DataFrame({"id": keys, "pred": pred})
            if fold is not None and keys is self.ids:
                frame = frame.with_columns(pl.Series(fold, self.fold))
            frame = frame.sample(fraction=1, shuffle=True, seed=1) if ids else frame.drop("id")
            frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
        return str(paths[0]), str(paths[1])

    def take(self, name: str, *files: str, folds: str | None = None, ends: int = 0, more: tuple[str, ...] = ()):
        """Import by the command."""
        given = () if folds is None else ("--folds", folds)
        command = ("import", files[0], "--test", files[1], "--name", name, "--recipe", self.recipe, *given, *more)
        done = self.toy.kit(*command, "--json")
        assert done.code == ends, done.out + done.err
        return done


def folds_of(toy) -> tuple[str, np.ndarray]:
    """Return the file of the recipe's folds, which a notebook reads, and the folds."""
    path = toy.root / "oof" / "r" / "a" / "folds.parquet"
    return str(path), pl.read_parquet(path)["fold"].to_numpy()


LAYOUTS = [(s, i) for s in ("npy", "csv", "parquet") for i in (False, True) if not (s == "npy" and i)]


@pytest.mark.parametrize(("suffix", "ids"), LAYOUTS)
def test_a_notebook_on_the_recipe_s_folds_is_blended_with_the_recipe(toy, suffix, ids):
    toy.run()
    path, fold = folds_of(toy)
    mate = Mate(toy, fold)
    card = mate.take("mate", *mate.save(suffix, ids=ids), folds=path).json
    assert card["folds_key"] == toy.card("a")["folds_key"]
    assert ("by id" in card["imported"]["rows"]) == ids
    made = toy.kit("blend", "r:a", "r:b", "r:mate", "--use", "nnls", "--name", "team", "--json")
    assert made.code == 0, made.err
    found = made.json
    assert found["blends"]["team"]["weights"]["r:mate"] > 0.5
    assert found["blends"]["team"]["score"] < min(card["score"], toy.card("a")["score"]) * 1.02
    best = np.stack([toy.oof(n)["pred"].to_numpy() for n in ("a", "b", "mate")])
    weights = np.array(list(found["blends"]["team"]["weights"].values()))
    csv = pl.read_csv(Path(found["submission"]))
    test = np.stack([toy.oof(n, "test")["pred"].to_numpy() for n in ("a", "b", "mate")])
    assert csv.columns == ["id", "y"]
    assert csv["id"].to_list() == mate.test_ids.to_list()
    np.testing.assert_allclose(csv["y"], weights @ test, rtol=1e-5)
    assert best.shape == (3, 120)


def test_folds_by_file_column_and_splitter_are_one(toy):
    """Three ways of saying one split: OOFs that go together, and not with the recipe's."""
    from sklearn.model_selection import KFold

    toy.run()
    fold = np.empty(120, np.int64)
    for k, (_, rows) in enumerate(KFold(4, shuffle=True, random_state=3).split(np.zeros(120))):
        fold[rows] = k
    mate = Mate(toy, fold)
    pl.DataFrame({"id": mate.ids, "fold": fold}).reverse().write_csv(toy.folder / "folds.csv")
    cards = [
        mate.take("m0", *mate.save("csv", ids=True), folds=str(toy.folder / "folds.csv")).json,
        mate.take(
            "m1",
            *Mate(toy, fold, "x3").save("parquet", ids=True, fold="part"),
            folds="column:part",
            more=("--columns", "pred"),
        ).json,
        mate.take("m2", *mate.save("npy", ids=False), folds="KFold(4, shuffle=True, random_state=3)").json,
    ]
    assert len({card["folds_key"] for card in cards}) == 1
    assert toy.kit("blend", "r:m0", "r:m1", "--name", "ok", "--json").code == 0
    apart = toy.kit("blend", "r:a", "r:b", "r:m0", "r:m1", "--name", "no")
    assert apart.code == 2
    assert "r:m0 r:m1 cannot be blended with r:a" in apart.err
    assert "its folds are others" in apart.err
    assert "2 go together: r:a, r:b" in apart.err
    assert "--mixed-folds" in apart.err
    assert not (toy.root / "oof" / "blends" / "no").exists()
    mixed = toy.kit("blend", "r:a", "r:b", "r:m0", "r:m1", "--name", "mix", "--mixed-folds", "--json")
    assert mixed.code == 0, mixed.err
    card = toy.card("mix", "blends")
    assert card["mixed_folds"] is True
    assert card["folds_key"] is None
    assert "sources of different folds" in mixed.json["notes"]
    assert ("r:m0", "other_folds", "warning") in {(f["source"], f["check"], f["severity"]) for f in card["audit"]}


def test_folds_that_nobody_knows_go_only_where_one_allows_it(toy):
    toy.run()
    _, fold = folds_of(toy)
    mate = Mate(toy, fold)
    assert mate.take("mate", *mate.save("csv", ids=True)).json["folds_known"] is False
    apart = toy.kit("blend", "r:a", "r:mate")
    assert apart.code == 2
    assert "its folds are not known" in apart.err
    mixed = toy.kit("blend", "r:a", "r:mate", "--mixed-folds")
    assert mixed.code == 0
    assert "unknown r:mate: folds: nothing says which fold held which row" in mixed.out


def test_the_audit_speaks_before_anything_is_blended(toy, monkeypatch):
    """What it finds is shown first, an error of an imported source ends it, the second call says the same."""
    from kit import crossfit

    toy.run()
    path, fold = folds_of(toy)
    mate = Mate(toy, fold)
    mate.pred, mate.test = -mate.pred, -mate.test
    files = mate.save("csv", ids=True)
    refused = mate.take("mate", *files, folds=path, ends=2).json["error"]
    assert refused["rule"].startswith("inverted: ")
    mate.take("mate", *files, folds=path, more=("--anyway",))
    command = ("blend", "r:a", "r:b", "r:mate", "--name", "team")
    with monkeypatch.context() as patch:
        patch.setattr(crossfit, "fitted", lambda *_: pytest.fail("blended"))
        done = toy.kit(*command)
    assert done.code == 2
    assert "error   r:mate: inverted: its correlation with the target" in done.out
    assert "next: turn it round" in done.out
    assert "or blend it in spite of that with --anyway" in done.err
    assert not (toy.root / "oof" / "blends").exists()
    first = toy.kit(*command, "--anyway")
    assert first.code == 0, first.err
    assert first.out.index("r:mate: inverted") < first.out.index("nested")
    assert toy.kit(*command).code == 2
    again = json.loads(toy.kit(*command, "--anyway", "--json").out)
    assert again["stages"] == {"run": 0, "reused": 1, "failed": 0}
    assert ("r:mate", "inverted", "error") in {(f["source"], f["check"], f["severity"]) for f in again["audit"]}


def test_a_failed_model_of_kit_is_a_warning_and_ends_nothing(toy):
    toy.run()
    path = toy.root / "oof" / "r" / "b" / "oof.parquet"
    pl.read_parquet(path).with_columns(pred=pl.lit(1.0, pl.Float32)).write_parquet(path)
    intact.seal(path.parent)  # as if kit had written it
    assert toy.kit("audit", "r:b").code == 2
    done = toy.kit("blend", "r:a", "r:b", "--name", "ab")
    assert done.code == 0, done.err
    assert "warning r:b: constant" in done.out


def test_other_targets_ids_and_rows_are_refused_with_what_goes_together(toy):
    """A result of the same competition under other data: what could be used together is named."""
    toy.run()
    train = pl.read_csv(toy.folder / "train.csv")
    train.with_columns(pl.col("y") + 1).write_csv(toy.folder / "other.csv")
    train.with_columns(pl.col("id") + 7).write_csv(toy.folder / "ids.csv")
    for name in ("other", "ids"):
        toy.edit(("train.csv", f"{name}.csv"), name=f"{name}.yaml")
        toy.run(recipe=f"{name}.yaml")
    for name, why in (("other", "its y is another target"), ("ids", "its training ids are others: 120 rows, 7 of")):
        done = toy.kit("blend", "r:a", "r:b", f"{name}:a", "--json")
        assert done.code == 2
        error = done.json["error"]
        assert why in error["got"]
        assert error["allowed"] == "2 go together: r:a, r:b"
        assert error["next"] == "blend what goes together: r:a r:b"
    assert not (toy.root / "oof" / "blends").exists()


def snippet(title: str) -> str:
    """Return the Python of a section of docs/importing.md."""
    text = (Path(__file__).parents[2] / "docs" / "importing.md").read_text("utf-8")
    section = text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return section.partition("```python\n")[2].partition("```")[0]


class Predictor:
    """What AutoGluon's predictor of this name does, as far as the guide uses it: bags over `groups`, keeps the index."""

    def __init__(self, label: str, groups: str) -> None:
        self.label, self.groups = label, groups

    def fit(self, train, **_):
        x = np.c_[train[["x1", "x2"]].to_numpy(), np.ones(len(train))]
        self.oof, self.models = train[self.label] * 0.0, []
        for k in sorted(train[self.groups].unique()):
            learn = (train[self.groups] != k).to_numpy()
            self.models.append(np.linalg.lstsq(x[learn], train[self.label].to_numpy()[learn], rcond=None)[0])
            self.oof[~learn] = x[~learn] @ self.models[-1]
        return self

    def model_names(self) -> list[str]:
        return ["Ridge_BAG_L1"]

    def predict_oof(self, model: str):
        return self.oof.sample(frac=1, random_state=1)

    def predict(self, test, model: str):
        return test["x1"] * 0.0 + np.c_[test[["x1", "x2"]], np.ones(len(test))] @ np.mean(self.models, axis=0)


@pytest.mark.parametrize(
    ("title", "name"), [("A notebook", "trees"), ("scikit-learn", "sk-ridge"), ("AutoGluon", "ag-ridge-bag-l1")]
)
def test_the_snippets_of_the_guide_work(toy, monkeypatch, title, name):
    import sys
    from types import ModuleType

    toy.root = toy.folder
    toy.edit(
        ("\n  a: {", "\n  lgbm: {"), ("from: [a, b]", "from: [lgbm, b]"), ("folds: 3", "folds: 5"), name="houses.yaml"
    )
    toy.run(recipe="houses.yaml")
    monkeypatch.chdir(toy.folder)
    for module in ("autogluon", "autogluon.tabular"):
        fake = ModuleType(module)
        fake.TabularPredictor = Predictor
        monkeypatch.setitem(sys.modules, module, fake)
    exec(compile(snippet(title), title, "exec"), {})
    if title == "A notebook":
        files = ("trees_oof.csv", "--test", "trees_test.csv")
        assert toy.kit("import", *files, "--name", name, "--recipe", "houses.yaml").code == 0
    card = toy.card(name, "houses")
    assert card["folds_known"]
    assert (card["folds_key"] == toy.card("lgbm", "houses")["folds_key"]) == (title != "scikit-learn")
    assert not [f for f in card["audit"] if f["severity"] == "error"]
    assert 0 < card["score"] < 1.2
    assert toy.oof(name, "test", "houses").height == 40


def test_the_sample_is_found_where_the_whole_folder_moved(toy, caplog):
    """The recipe lies in a folder of its own. Where it is gone a blend says what columns the submission has."""
    made = toy.folder / "made"
    (made / "sub").mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        (toy.folder / name).rename(made / "sub" / name)
    ids = pl.read_csv(made / "sub" / "test.csv")["id"].reverse()
    pl.DataFrame({"id": ids, "score": [0.0] * len(ids)}).write_csv(made / "sub" / "sample.csv")
    data = "data: {train: train.csv, test: test.csv, id: id, target: y}"
    toy.edit((data, data.replace("id: id", "sample: sample.csv, id: id"))).rename(made / "sub" / "s.yaml")
    assert toy.kit("run", str(made / "sub" / "s.yaml"), root=made).code == 0
    moved = made.rename(toy.folder / "moved")
    done = toy.kit("blend", "s:a", "s:b", "--name", "x", "--json", root=moved)
    frame = pl.read_csv(done.json["submission"])
    assert (frame.columns, frame["id"].to_list()) == (["id", "score"], ids.to_list())
    assert "plain columns" not in caplog.text
    (moved / "sub" / "s.yaml").unlink()
    done = toy.kit("blend", "s:a", "s:b", "--name", "y", "--json", root=moved)
    assert pl.read_csv(done.json["submission"]).columns == ["id", "y"]
    assert "the data of recipe s are not found: the submission has plain columns (id,y)" in caplog.text
