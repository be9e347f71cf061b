"""The store may be hurt or lost at any time: what is lost is made again, to the same bytes."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import InlineWorkers, begin, inline

import kit.archive
import kit.running
import kit.table
from kit.store import Store

EDIT = ("n_estimators: 8", "n_estimators: 9")


def flip(folder: Path) -> None:
    """Change one bit in the last byte of the largest file, whose size stays."""
    path = max(
        (p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"), key=lambda p: p.stat().st_size
    )
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def truncate(folder: Path) -> None:
    path = max(
        (p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"), key=lambda p: p.stat().st_size
    )
    path.write_bytes(path.read_bytes()[:-7])


def behead(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def garble(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"size":', '"siez":', 1))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Return (r.yaml's submission, the edited recipe's submission and its models' scores) of unhurt runs."""
    toy = begin(tmp_path_factory.mktemp("unhurt"))
    with inline():
        first = toy.run().submitted
        toy.edit(EDIT)
        second = toy.run()
        return first, second.submitted, second.json["models"]


@pytest.mark.parametrize("hurt", [flip, truncate, behead, garble])
def test_a_damaged_object_is_made_again_with_a_warning(toy, clean, hurt, caplog):
    """Each object is hurt in turn, then something is run that reads it: the result is that of an unhurt store."""
    _, expected, models = clean
    toy.run()
    keys = {s["name"]: s["key"] for s in toy.plan()}
    backup = shutil.copytree(toy.root, toy.folder / "backup")
    toy.edit(EDIT)
    for name in ("table", "rows", "folds", "oof a"):
        shutil.rmtree(toy.root)
        shutil.copytree(backup, toy.root)
        hurt(toy.objects()[keys[name]])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            done = toy.run()
        assert keys[name][:12] in caplog.text, name
        assert "damaged" in caplog.text
        assert done.submitted == expected, name
        assert {m: v["score"] for m, v in done.json["models"].items()} == {m: v["score"] for m, v in models.items()}
        assert toy.run().stages["run"] == 0, name


@pytest.mark.parametrize("hurt", [flip, truncate, behead, garble])
def test_a_damaged_result_is_never_shown(toy, clean, hurt, caplog):
    """Each result is hurt with what was made from it gone from sight: the same command shows what it showed before."""
    expected, _, _ = clean
    toy.run()
    keys = {s["name"]: s["key"] for s in toy.plan()}
    for name in ("oof b", "blend mix", "blend final", "submit"):
        hurt(toy.objects()[keys[name]])
        shutil.rmtree(toy.root / "oof")
        shutil.rmtree(toy.root / "submissions")
        caplog.clear()
        done = toy.run()
        assert keys[name][:12] in caplog.text, name
        assert done.submitted == expected, name
        assert done.stages["run"] >= 1, name


def test_a_damaged_fit_is_a_miss_when_it_is_read(toy, clean, caplog):
    expected, _, _ = clean
    toy.run()
    keys = {s["name"]: s["key"] for s in toy.plan()}
    flip(toy.objects()[keys["fit a fold 1 seed 0"]])
    shutil.rmtree(toy.objects()[keys["oof a"]])
    shutil.rmtree(toy.objects()[keys["submit"]])
    done = toy.run()
    assert keys["fit a fold 1 seed 0"][:12] in caplog.text
    assert done.stages == {"run": 3, "reused": 11, "failed": 0}
    assert done.submitted == expected


def test_rows_are_never_made_of_a_damaged_table(toy, clean, caplog):
    """The target in the table is hurt and the rows are gone: they are those of the data, not those of the damage."""
    expected, _, _ = clean
    toy.run()
    keys = {s["name"]: s["key"] for s in toy.plan()}
    table = Store(toy.root).open(keys["table"])
    y = table.files["train/y"]
    path = table.path("train/y")
    data = bytearray(path.read_bytes())
    at = data.index(np.float64(pl.read_csv(toy.folder / "train.csv")["y"][5]).tobytes(), y["at"], y["at"] + y["size"])
    data[at + 6] ^= 8
    path.write_bytes(data)
    for name in ("rows", "submit", *(n for n in keys if n.startswith(("fit", "oof", "blend")))):
        shutil.rmtree(toy.objects()[keys[name]])
    shutil.rmtree(toy.root / "submissions")
    done = toy.run()
    assert keys["table"][:12] in caplog.text
    assert done.submitted == expected


def test_data_that_change_while_they_are_read_are_not_kept(toy, monkeypatch):
    """A row comes between the digest and the reading, as of a download; then the file is again what it was."""
    expected = toy.run(root=toy.folder / "unhurt").submitted
    path, read = toy.folder / "train.csv", kit.table.read
    whole = path.read_text()

    def late(at, *args):
        if at == path:
            path.write_text(whole + "1120,0.5,0.5,0.5,red,9.0\n")
        return read(at, *args)

    monkeypatch.setattr(kit.table, "read", late)
    done = toy.kit("run", str(toy.folder / "r.yaml"))
    assert done.code == 2
    assert "train.csv: a data file changed while it was read" in done.err
    monkeypatch.undo()
    path.write_text(whole)
    monkeypatch.setattr(kit.running, "Workers", InlineWorkers)
    assert toy.run().submitted == expected


def test_without_the_cache_the_same_submission_keeps_its_number(toy):
    first = toy.run()
    before = first.submitted
    card = {**toy.card("final"), "seconds": 0}
    shutil.rmtree(toy.root / ".kit")
    again = toy.run()
    assert again.stages == {"run": 14, "reused": 0, "failed": 0}
    assert again.json["submission"] == first.json["submission"]
    assert again.submitted == before
    assert {**toy.card("final"), "seconds": 0} == card
    assert not (toy.root / "oof" / "r" / "_history").exists()
    assert sorted(p.name for p in (toy.root / "submissions").iterdir()) == ["0001-r.csv", "0001-r.json"]


def test_lost_results_of_people_are_written_again(toy):
    first = toy.run()
    csv, card = first.submitted, toy.card("a")
    shutil.rmtree(toy.root / "oof" / "r" / "a")
    Path(first.json["submission"]).unlink()
    again = toy.run()
    assert again.stages["run"] == 0
    assert again.submitted == csv
    assert again.json["submission"] == first.json["submission"]
    assert toy.card("a") == card


def test_an_altered_submission_is_not_taken_for_the_result(toy):
    first = toy.run()
    csv = first.submitted
    Path(first.json["submission"]).write_text("id,y\n5000,1\n")
    again = toy.run()
    assert again.submitted == csv
    assert again.json["submission"] != first.json["submission"]
    assert Path(first.json["submission"]).read_text() == "id,y\n5000,1\n"


def values(path: Path, name: str) -> tuple[bytes, bytes]:
    """Return a parquet file's bytes, and the same with one bit of one number of that column other."""
    whole = path.read_bytes()
    number = pl.read_parquet(path)[name].drop_nulls()[3]
    raw = (np.float32 if name == "pred" else np.float64)(number).tobytes()
    at = whole.index(raw)
    return whole, whole[:at] + bytes([*raw[:-2], raw[-2] ^ 4, raw[-1]]) + whole[at + len(raw) :]


@pytest.mark.parametrize(("file", "column"), [("oof", "pred"), ("oof", "y"), ("test", "pred")])
def test_a_bit_of_a_result_that_people_keep_is_missed(toy, file, column, caplog):
    """The file still reads: a blend refuses it, other commands warn, `kit run` writes what it was."""
    toy.run()
    path = toy.root / "oof" / "r" / "a" / f"{file}.parquet"
    whole, hurt = values(path, column)
    path.write_bytes(hurt)
    assert not pl.read_parquet(path).equals(pl.read_parquet(whole))
    for command in (("blend", "r:a", "r:b", "--name", "x"), ("audit", "r:a", "r:b")):
        done = toy.kit(*command)
        assert done.code == 2, command
        assert f"{file}.parquet: the file is not as kit wrote it" in done.out + done.err + caplog.text, command
        caplog.clear()
    assert not (toy.root / "oof" / "blends").exists()
    assert toy.run().stages["run"] == 0
    assert path.read_bytes() == whole
    assert toy.kit("blend", "r:a", "r:b", "--name", "x").code == 0


def test_a_file_of_a_result_that_is_gone_is_told_and_written_again(toy):
    toy.run()
    path = toy.root / "oof" / "r" / "a" / "test.parquet"
    whole = path.read_bytes()
    path.unlink()
    done = toy.kit("blend", "r:a", "r:b", "--name", "x")
    assert done.code == 2
    assert f"{path}: the file is gone" in done.err
    toy.run()
    assert path.read_bytes() == whole


def test_a_number_in_a_card_is_missed(toy):
    """The score in a card is what `kit run` and `kit ls` show."""
    before = toy.run().json["models"]
    card = toy.root / "oof" / "r" / "a" / "card.json"
    text = card.read_text("utf-8")
    score = f'"score": {before["a"]["score"]}'
    card.write_text(text.replace(score, score.replace(": 1.", ": 0.")), "utf-8")
    assert card.read_text("utf-8") != text
    assert toy.run().json["models"] == before
    assert card.read_text("utf-8") == text


def test_a_kept_model_that_is_damaged_predicts_nothing(toy):
    toy.run("--keep-models")
    new, out = str(toy.folder / "test.csv"), toy.folder / "o.csv"
    assert toy.kit("predict", "r", new, "-o", str(out)).code == 0
    expected = out.read_bytes()
    path = next(
        p for p in sorted((toy.root / "oof" / "r" / "a" / "models" / "fold1-seed0").iterdir()) if p.suffix == ".txt"
    )
    text = path.read_text("utf-8")
    at = text.index("leaf_value=") + len("leaf_value=") + 4
    path.write_text(text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :], "utf-8")
    done = toy.kit("predict", "r", new, "-o", str(out))
    assert done.code == 2
    assert f"{path}: the file is not as kit wrote it" in done.err
    toy.run()
    assert path.exists(), "a run that keeps no models throws none away"
    assert toy.run("--keep-models").stages["run"] == 0
    assert toy.kit("predict", "r", new, "-o", str(out)).code == 0
    assert out.read_bytes() == expected


def test_a_source_that_changes_while_it_is_blended_is_no_source(toy, monkeypatch):
    """A run publishes another result of the name between the look at it and the reading of its rows."""
    toy.run()
    a, b = (toy.root / "oof" / "r" / name for name in "ab")
    read = kit.archive.read

    def late(folder):
        if folder == a.resolve() and not (toy.folder / "aside").exists():
            a.rename(toy.folder / "aside")
            shutil.copytree(b, a)
        return read(folder)

    monkeypatch.setattr(kit.archive, "read", late)
    done = toy.kit("blend", "r:a", "r:b", "--name", "x")
    assert done.code == 2
    assert "r:a: a source changed while it was read" in done.err
    assert not (toy.root / "oof" / "blends").exists()


def test_an_unreadable_card_is_replaced(toy):
    toy.run()
    card = toy.card("a")
    (toy.root / "oof" / "r" / "a" / "card.json").write_text("{")
    assert toy.run().stages["run"] == 0
    assert toy.card("a") == card
    json.dumps(card, allow_nan=False)
