"""What scripts rely on: the JSON of commands, exit codes, and stdout that holds one object and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kit
from kit.commands import _shared
from kit.errors import RecipeError

RESULT = {"score", "fold_scores", "oof", "peeked"}


def test_the_json_of_a_run(toy):
    value = toy.run().json
    assert list(value) == ["recipe", "submission", "models", "blends", "stages", "truncated", "seconds"]
    assert value["recipe"] == "r"
    assert Path(value["submission"]) == toy.root / "submissions" / "0001-r.csv"
    assert list(value["models"]) == ["a", "b"]
    assert list(value["blends"]) == ["mix", "final"]
    for name, line in {**value["models"], **value["blends"]}.items():
        assert set(line) == RESULT
        assert line["peeked"] is False
        assert len(line["fold_scores"]) == 3
        assert Path(line["oof"]) == toy.root / "oof" / "r" / name / "oof.parquet"
        assert Path(line["oof"]).is_absolute()
        assert Path(line["oof"]).is_file()
    assert set(value["stages"]) == {"run", "reused", "failed"}
    assert value["truncated"] is False
    assert value["seconds"] > 0


def test_the_json_of_a_plan(toy):
    assert {s["state"] for s in toy.plan()} >= {"run"}
    for line in toy.plan("--only", "a"):
        assert list(line) == ["name", "verb", "key", "state"]
        assert len(line["key"]) == 64
        assert line["state"] in {"run", "reuse", "blocked"}
    verbs = [line["verb"] for line in toy.plan()]
    assert verbs == ["table", "rows", "folds", *(["fit"] * 3 + ["oof"]) * 2, "blend", "blend", "submit"]


def test_a_plan_fits_nothing(toy):
    toy.plan()
    assert len(toy.objects()) <= 3
    assert not (toy.root / "oof").exists()


def test_run_and_plan_agree(toy):
    n_planned = len(toy.plan())
    for _ in range(2):
        todo = sum(line["state"] == "run" for line in toy.plan())
        stages = toy.run().stages
        assert stages["run"] == todo
        assert sum(stages.values()) == n_planned


def test_no_test_rows_means_no_submission(toy):
    toy.edit((", test: test.csv", ""))
    done = toy.run()
    assert done.json["submission"] is None
    assert set(done.json["models"]) == {"a", "b"}
    assert sum(done.stages.values()) == len(toy.plan()) == 13
    assert not (toy.root / "submissions").exists()
    assert not (toy.root / "oof" / "r" / "a" / "test.parquet").exists()


@pytest.mark.parametrize("command", ["run", "plan", "check", "why"])
def test_errors_under_json(toy, command):
    toy.edit(("metric: rmse", "metric: rsme"))
    done = toy.kit(command, str(toy.folder / "r.yaml"), "--json")
    assert done.code == 2
    assert list(done.json) == ["error"]
    error = done.json["error"]
    assert list(error) == ["place", "rule", "got", "allowed", "next"]
    assert all(isinstance(value, str) for value in error.values())
    assert error["place"] == f"{toy.folder / 'r.yaml'}:2"
    assert error["got"] == "rsme"
    assert "rmse" in error["next"]
    assert error["allowed"].startswith("accuracy, ap, auc, ")
    assert "Traceback" not in done.err


def test_debug_shows_where_a_user_error_comes_from(toy):
    toy.edit(("metric: rmse", "metric: rsme"))
    with pytest.raises(RecipeError):
        toy.kit("run", str(toy.folder / "r.yaml"), "--debug")


def test_a_wrong_model_in_only(toy):
    done = toy.run("--only", "c", ends=2)
    assert done.json["error"]["place"] == "--only"
    assert done.json["error"]["allowed"] == "a, b"


def test_other_commands_print_one_object(toy):
    toy.run()
    listed = toy.kit("ls", "--json").json["results"]
    assert {(line["recipe"], line["model"]) for line in listed} == {("r", n) for n in ("a", "b", "mix", "final")}
    assert toy.kit("check", str(toy.folder / "r.yaml"), "--json").json["recipe"] == "r"
    assert toy.kit("why", str(toy.folder / "r.yaml"), "--json").json == {"stages": []}


def test_results_of_a_model_that_the_recipe_has_no_more_are_marked(toy):
    toy.run()
    text = (toy.folder / "r.yaml").read_text()
    assert not any(line["left"] for line in toy.kit("ls", "--json").json["results"])
    lines = [line for line in text.splitlines() if not line.startswith(("blend:", "submit:", "  mix:", "  final:"))]
    (toy.folder / "r.yaml").write_text("\n".join(lines).replace("  b:", "  renamed:") + "\n")
    toy.run()
    left = {line["model"]: line["left"] for line in toy.kit("ls", "--json").json["results"]}
    assert left["b"] and left["mix"] and not left["a"] and not left["renamed"], left
    assert toy.kit("ls").out.count("not in its last run") == sum(left.values())


def test_for_people_a_run_prints_scores_and_the_submission(toy, monkeypatch):
    monkeypatch.chdir(toy.folder)
    done = toy.kit("run", "r.yaml", "--root", ".")
    assert done.code == 0
    for word in ("a ", "b ", "mix", "final", "rmse", "14 run, 0 reused, 0 failed", "submissions/0001-r.csv"):
        assert word in done.out, word
    assert "[6/6] fit b fold 2" in done.err
    quiet = toy.kit("run", "r.yaml", "--root", ".", "--quiet")
    assert "0 run, 14 reused" in quiet.out
    assert quiet.err == ""


def test_results_follow_root_and_inputs_do_not(toy, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert toy.kit("run", str(toy.folder / "r.yaml"), "--json", "--root", "deep/er").code == 0
    assert {p.name for p in (elsewhere / "deep" / "er").iterdir()} == {".kit", "oof", "submissions"}
    assert not [p for p in toy.folder.iterdir() if p.name in (".kit", "oof", "submissions")]


def test_a_time_limit_counts_from_the_call_in_a_process_that_is_old(toy, monkeypatch):
    """In a notebook kit was imported long ago; the limit is still that of this run."""
    monkeypatch.setattr(_shared, "STARTED", _shared.STARTED - 10_000)
    result = kit.run(str(toy.folder / "r.yaml"), root=toy.root, time_limit=300)
    assert not result.truncated
    assert result.submission is not None


def test_the_api_is_the_command_line(toy):
    """In a process of its own: which modules are loaded first decides what `kit.plan` is."""
    code = """
import sys, json, kit
listed = kit.plan(sys.argv[1], root=sys.argv[2])
assert {"set", "only", "root"} <= set(kit.run.__kwdefaults__)
for name in kit.__all__:
    assert callable(getattr(kit, name)), name
print(json.dumps([line["name"] for line in listed]))
"""
    command = [sys.executable, "-c", code, str(toy.folder / "r.yaml"), str(toy.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0] == "table"


def test_every_module_can_be_imported_first():
    """One process with none of kit's modules before each; the libraries stay."""
    code = """
import importlib, sys
for name in sys.argv[1:]:
    for loaded in [m for m in sys.modules if m.partition(".")[0] == "kit"]:
        del sys.modules[loaded]
    print(name, flush=True)
    importlib.import_module(name)
"""
    names = ("kit.running", "kit.planning", "kit.stage", "kit.publish", "kit.engine")
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == list(names)
