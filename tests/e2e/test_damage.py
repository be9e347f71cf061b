"""The store may be hurt or lost at any time: what is lost is made again, to the same bytes."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest

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


@pytest.fixture
def clean(toy, tmp_path):
    """Return (r.yaml's submission, the edited recipe's submission and its models' scores) of unhurt runs."""
    unhurt = tmp_path / "unhurt"
    first = toy.run(root=unhurt)
    toy.edit(EDIT)
    second = toy.run(root=unhurt)
    toy.write()
    return first.submitted, second.submitted, second.json["models"]


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


def test_an_unreadable_card_is_replaced(toy):
    toy.run()
    card = toy.card("a")
    (toy.root / "oof" / "r" / "a" / "card.json").write_text("{")
    assert toy.run().stages["run"] == 0
    assert toy.card("a") == card
    json.dumps(card, allow_nan=False)
