"""submit --check lists every fault of a csv; replay writes a submission again byte for byte, or says what is gone."""

from __future__ import annotations

import json
import shutil

import numpy as np
import polars as pl
import pytest

import kit

LABELS = """\
data: {train: train.csv, test: test.csv, sample: sample.csv, id: id, target: y}
metric: accuracy
split: {use: kfold, folds: 3}
models: {m: {use: lightgbm, params: {n_estimators: 5}, stop: fixed}}
"""


def check(toy, text: str | pl.DataFrame, recipe: str = "r.yaml") -> dict[str, str]:
    """Return fault -> what was got, of a csv."""
    path = toy.folder / "try.csv"
    text.write_csv(path) if isinstance(text, pl.DataFrame) else path.write_text(text)
    return {f["fault"]: f["got"] for f in kit.submit(path, recipe=toy.folder / recipe, root=toy.root)}


@pytest.fixture
def good(toy) -> pl.DataFrame:
    """What may be submitted: id and y of the 40 test rows."""
    return pl.DataFrame({"id": pl.read_csv(toy.folder / "test.csv")["id"], "y": np.linspace(-1, 2, 40)})


# -- submit --check


def test_what_kit_writes_has_no_fault(toy, good):
    done = toy.run()
    assert kit.submit(done.json["submission"], recipe=toy.folder / "r.yaml", root=toy.root) == []
    assert check(toy, good) == {}
    shown = toy.kit("submit", "--check", str(toy.folder / "try.csv"), "--recipe", str(toy.folder / "r.yaml"))
    assert (shown.code, "nothing found" in shown.out) == (0, True)


def test_columns(toy, good):
    assert check(toy, good.rename({"y": "Y"})) == {"a column is missing": "y", "a column too many": "Y"}
    assert check(toy, good.select("y", "id")) == {"the columns stand in another order": "y,id"}
    assert check(toy, good.with_columns(z=1)) == {"a column too many": "z"}
    assert check(toy, good.drop("id")) == {"a column is missing": "id"}


def test_ids(toy, good):
    assert check(toy, good.head(38)) == {"ids are missing": "5038, 5039"}
    assert check(toy, pl.concat([good, good.head(1)])) == {"ids stand twice": "5000"}
    assert check(toy, good.with_columns(pl.col("id") + 1)) == {
        "ids are missing": "5000",
        "ids that are not asked for": "5040",
    }
    assert "row 1 has id 5039" in check(toy, good.reverse())["the rows stand in another order"]
    floats = check(toy, good.with_columns(pl.col("id").cast(pl.Float64)))
    assert set(floats) == {"ids are missing", "ids that are not asked for"}
    path = toy.folder / "try.csv"
    (fault, _) = kit.submit(path, recipe=toy.folder / "r.yaml", root=toy.root)
    assert "written otherwise" in fault["next"]
    none = good.with_columns(id=pl.when(pl.col("id") == 5003).then(None).otherwise("id"))
    assert set(check(toy, none)) == {"rows without an id", "ids are missing"}


def test_values(toy, good):
    def at(value: object) -> pl.DataFrame:
        return good.with_columns(y=pl.when(pl.col("id") == 5003).then(pl.lit(value)).otherwise(pl.col("y").cast(str)))

    assert check(toy, at(None)) == {"values are missing": "column y: 1 rows"}
    assert check(toy, at("NaN")) == {"values are missing": "column y: 1 rows"}
    assert check(toy, at("1,5")) == {"values that are no numbers": "column y: 1,5"}
    assert check(toy, at("inf")) == {"infinite values": "column y: 1 rows"}
    assert "1 rows, as 99" in check(toy, at("99"))["values far beyond the target"]
    assert set(check(toy, good.with_columns(y=1.0))) == {"all rows have one value"}
    assert set(check(toy, good.with_columns(y=9.0 + 0.1 * pl.col("y")))) == {"values beyond the target"}


def test_every_fault_is_listed_at_once_and_errors_end_with_2(toy, good):
    frame = good.reverse().with_columns(y=pl.when(pl.col("id") == 5003).then(None).otherwise("y"), z=1).head(39)
    path = toy.folder / "try.csv"
    frame.write_csv(path)
    done = toy.kit("submit", "--check", str(path), "--recipe", str(toy.folder / "r.yaml"), "--json")
    assert done.code == 2
    assert {f["fault"] for f in done.json["faults"]} == {"a column too many", "ids are missing", "values are missing"}
    assert all(list(f) == ["fault", "severity", "got", "next"] for f in done.json["faults"])
    good.with_columns(y=1.0).write_csv(path)
    warned = toy.kit("submit", "--check", str(path), "--recipe", str(toy.folder / "r.yaml"))
    assert (warned.code, "warning" in warned.out) == (0, True)


def test_files_that_are_none(toy):
    assert "the file is empty" in check(toy, "")
    assert "the file holds no rows" in check(toy, "id,y\n")
    assert check(toy, "id,y\n5000,1,2\n")
    done = toy.kit("submit", "--check", str(toy.folder / "no.csv"), "--recipe", str(toy.folder / "r.yaml"), "--json")
    assert (done.code, done.json["faults"][0]["fault"]) == (2, "the file does not exist")


def test_a_copy_of_a_submission_is_told(toy):
    done = toy.run()
    (toy.folder / "again.csv").write_bytes(done.submitted)
    (fault,) = kit.submit(toy.folder / "again.csv", recipe=toy.folder / "r.yaml", root=toy.root)
    assert (fault["fault"], fault["severity"], "0001" in fault["got"]) == ("submitted before", "warning", True)


def labelled(toy) -> pl.DataFrame:
    frame = pl.read_csv(toy.folder / "train.csv")
    yes = pl.when(pl.col("y") > 0).then(pl.lit("True")).otherwise(pl.lit("False"))
    frame.with_columns(y=yes).write_csv(toy.folder / "train.csv")
    sample = pl.DataFrame({"id": pl.read_csv(toy.folder / "test.csv")["id"], "y": ["TRUE", "FALSE"] * 20})
    sample.write_csv(toy.folder / "sample.csv")
    toy.write(LABELS)
    return sample


def test_labels(toy):
    sample = labelled(toy)
    assert check(toy, sample) == {}
    assert check(toy, sample.with_columns(pl.col("y").str.to_titlecase())) == {
        "labels that are none": "column y: False, True"
    }
    (fault,) = kit.submit(toy.folder / "try.csv", recipe=toy.folder / "r.yaml", root=toy.root)
    assert "True as TRUE" in fault["next"]
    assert check(toy, sample.with_columns(y=0.5)) == {"labels that are none": "column y: 0.5"}


def test_probabilities(toy):
    sample = labelled(toy)
    toy.write(LABELS.replace("accuracy", "logloss"))
    p = sample.with_columns(y=pl.Series(np.linspace(0, 1, 40)))
    assert check(toy, p) == {}
    assert "from 0 to 100" in check(toy, p.with_columns(pl.col("y") * 100))["probabilities beyond 0 and 1"]
    three = pl.read_csv(toy.folder / "train.csv").with_columns(y=pl.Series(["a", "b", "c"] * 40))
    three.write_csv(toy.folder / "train.csv")
    wide = sample.select("id", a=0.2, b=0.3, c=0.5)
    wide.write_csv(toy.folder / "sample.csv")
    assert set(check(toy, wide)) == {"all rows have one value"}
    assert "probabilities do not sum to 1" in check(toy, wide.with_columns(a=0.9))
    assert "the columns stand in another order" in check(toy, wide.select("id", "b", "a", "c"))


def test_rmsle_wants_no_negative_values(toy, good):
    frame = pl.read_csv(toy.folder / "train.csv")
    frame.with_columns(y=pl.col("y").abs()).write_csv(toy.folder / "train.csv")
    toy.edit(("metric: rmse", "metric: rmsle"))
    assert "negative values" in check(toy, good)
    assert check(toy, good.with_columns(pl.col("y").abs())) == {}


# -- replay


def replay(toy, number: str = "0001", ends: int = 0) -> dict:
    done = toy.kit("replay", number, "--json")
    assert done.code == ends, done.out + done.err
    return done.json


def test_a_submission_is_rebuilt_from_its_oof_folder(toy):
    csv = toy.run().submitted
    shutil.rmtree(toy.root / ".kit")
    found = replay(toy)
    assert (found["rebuilt"], found["file"], found["gone"]) == (True, "same", [])
    assert found["how"] == "oof/r/final"
    (toy.root / "submissions" / "0001-r.csv").unlink()
    found = replay(toy)
    assert (found["file"], found["rebuilt"]) == ("restored", True)
    assert (toy.root / "submissions" / "0001-r.csv").read_bytes() == csv
    assert "as it stands" in toy.kit("replay", "1").out


def test_an_older_one_is_rebuilt_from_history(toy):
    csv = toy.run().submitted
    toy.edit(("n_estimators: 5", "n_estimators: 6"))
    toy.run()
    shutil.rmtree(toy.root / ".kit")
    (toy.root / "submissions" / "0001-r.csv").unlink()
    found = replay(toy)
    assert found["how"].startswith("oof/r/_history/final@")
    assert (toy.root / "submissions" / "0001-r.csv").read_bytes() == csv
    assert replay(toy, "0002")["how"] == "oof/r/final"


def test_without_folders_the_store_still_has_it(toy):
    toy.run()
    shutil.rmtree(toy.root / "oof")
    assert replay(toy)["how"].startswith("the store")


def test_an_altered_file_is_left_alone_and_told(toy):
    csv = toy.run().submitted
    path = toy.root / "submissions" / "0001-r.csv"
    path.write_text("id,y\n")
    done = toy.kit("replay", "0001", "--out", str(toy.folder / "was.csv"), "--json")
    assert (done.code, done.json["file"]) == (0, "altered")
    assert (toy.folder / "was.csv").read_bytes() == csv
    assert path.read_text() == "id,y\n"
    again = toy.kit("replay", "0001", "--out", str(path), "--json")
    assert (again.code, "is another" in again.json["error"]["rule"]) == (2, True)


def test_what_is_gone_is_named(toy):
    toy.run()
    keys = json.loads((toy.root / "submissions" / "0001-r.json").read_text())["sources"]
    shutil.rmtree(toy.root / ".kit")
    shutil.rmtree(toy.root / "oof" / "r" / "final")
    found = replay(toy, ends=2)
    assert (found["rebuilt"], found["file"]) == (False, "unknown")
    assert any(keys["final"][:8] in line and "final" in line for line in found["gone"])
    assert not any(line.startswith("a:") for line in found["gone"])
    assert "resolved" in found["next"]
    shutil.rmtree(toy.root / "oof" / "r" / "a")
    assert any(line.startswith("a:") and keys["a"][:8] in line for line in replay(toy, ends=2)["gone"])


def test_an_oof_that_was_altered_is_told(toy):
    toy.run()
    path = toy.root / "oof" / "r" / "final" / "test.parquet"
    pl.read_parquet(path).with_columns(pl.col("pred") + 1).write_parquet(path)
    found = replay(toy, ends=2)
    assert any("other bytes" in line for line in found["gone"])
    path.write_bytes(b"")
    assert replay(toy)["how"].startswith("the store")
    shutil.rmtree(toy.root / ".kit")
    assert any("cannot be read" in line for line in replay(toy, ends=2)["gone"])


def test_data_that_changed_is_named_where_it_matters(toy, monkeypatch):
    monkeypatch.chdir(toy.folder)
    sample = pl.DataFrame({"id": pl.read_csv("test.csv")["id"], "y": 0.0}).sample(fraction=1, shuffle=True, seed=1)
    sample.write_csv("sample.csv")
    toy.edit(("target: y", "target: y, sample: sample.csv"))
    csv = toy.run().submitted
    path = toy.root / "submissions" / "0001-r.csv"
    shutil.rmtree(toy.root / ".kit")
    path.unlink()
    replay(toy)
    assert path.read_bytes() == csv
    shutil.rmtree(toy.root / ".kit")
    path.unlink()
    sample.sort("id").write_csv("sample.csv")
    found = replay(toy, ends=2)
    assert any("sample changed since" in line for line in found["gone"])
    assert any("order of its ids" in line for line in found["gone"])


def test_labels_and_probabilities_are_rebuilt(toy, monkeypatch):
    monkeypatch.chdir(toy.folder)
    labelled(toy)
    toy.run()
    toy.write(LABELS.replace("accuracy", "logloss"))
    toy.run()
    for number in ("0001", "0002"):
        assert replay(toy, number)["file"] == "same"


def test_what_was_made_elsewhere_or_lost_its_note_cannot_be_rebuilt(toy, tmp_path):
    toy.run()
    (tmp_path / "mate.csv").write_text("id,y\n1,2\n")
    toy.kit("lb", "add", str(tmp_path / "mate.csv"), "0.6")
    assert any("made elsewhere" in line for line in replay(toy, "2", ends=2)["gone"])
    (toy.root / "submissions" / "0001-r.json").unlink()
    assert any("JSON is gone" in line for line in replay(toy, "1", ends=2)["gone"])
    assert toy.kit("replay", "9").code == 2


def test_a_blend_of_oofs_is_rebuilt_with_its_recipe_and_without_one(toy, monkeypatch):
    """Beside its recipe by the sample's layout, the data read again; of results of no recipe by their own ids."""
    monkeypatch.chdir(toy.folder)
    toy.run()
    blended = toy.kit("blend", "r:a", "r:b", "--name", "team", "--use", "ridge", "--json")
    assert blended.code == 0, blended.err
    csv = blended.submitted
    shutil.rmtree(toy.root / ".kit")
    (toy.root / "submissions" / "0001-r.csv").unlink()
    (toy.root / "submissions" / "0002-team.csv").unlink()
    assert replay(toy, "0002")["how"] == "oof/blends/team"
    assert (toy.root / "submissions" / "0002-team.csv").read_bytes() == csv
    shutil.rmtree(toy.root / "oof" / "blends")
    found = replay(toy, "0002", ends=2)
    assert any(line.startswith("team: its OOF") for line in found["gone"])
    assert found["next"].startswith("kit blend r:a r:b --use ridge")
    shutil.rmtree(toy.root / "oof" / "r" / "a")
    assert any(line.startswith("r:a: its OOF") for line in replay(toy, "0002", ends=2)["gone"])


def test_a_blend_beside_no_recipe_is_rebuilt_too(toy):
    toy.run()
    for name in "ab":
        frame, test = toy.oof(name), toy.oof(name, "test")
        kit.import_oof(frame, name=name, test=test, metric="rmse", root=toy.folder / "alone")
    done = toy.kit("blend", "imported:a", "imported:b", "--use", "mean", "--json", root=toy.folder / "alone")
    assert done.code == 0, done.err
    csv, path = done.submitted, toy.folder / "alone" / "submissions" / "0001-blend.csv"
    path.unlink()
    again = toy.kit("replay", "1", "--json", root=toy.folder / "alone")
    assert (again.code, again.json["file"]) == (0, "restored")
    assert path.read_bytes() == csv


def test_the_recipe_is_found_where_it_can_only_be_one(toy, good, monkeypatch):
    good.write_csv(toy.folder / "try.csv")
    monkeypatch.chdir(toy.folder)
    (toy.folder / "r.tuned.yaml").write_text("models: {}\n")
    shown = toy.kit("submit", "--check", "try.csv")
    assert (shown.code, "nothing found" in shown.out) == (0, True)
    (toy.folder / "s.yaml").write_text((toy.folder / "r.yaml").read_text())
    unclear = toy.kit("submit", "--check", "try.csv")
    assert unclear.code == 2 and "r.yaml" in unclear.err and "--recipe FILE" in unclear.err
    (toy.folder / "try.json").write_text('{"recipe": "r"}')
    assert toy.kit("submit", "--check", "try.csv").code == 0
    monkeypatch.chdir(toy.root)
    assert "no recipe in this folder" in toy.kit("submit", "--check", str(toy.folder / "none.csv")).err
