"""The file that `kit tune` writes reads back as what was written, whatever a key or a name looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit import tuned
from kit.tunable import Entry


@pytest.mark.parametrize(
    "text", ["03911e73", "08912345", "12345678", "0o17", "null", "no", "1e5", "these folds", "a: b"]
)
def test_text_that_looks_like_a_number_stays_text(tmp_path, text):
    entry = Entry(use=text, params={"boosting": text, "l1": 1e-9, "seed": 7, "on": True}, folds=text, study=text)
    for model in ("7e3", "lgbm"):  # the second one reads what the first wrote
        tuned.write(tmp_path / "r.tuned.yaml", model, entry)
    assert tuned.read(tmp_path / "r.tuned.yaml")[1] == {"7e3": entry, "lgbm": entry}


def test_a_learner_of_ones_own_is_named_from_the_file_on(tmp_path, monkeypatch):
    """The path of the machine stood in the file: moved, or on another one, its params were left out without a word."""
    monkeypatch.chdir(tmp_path)
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.py").touch()
        assert tuned.spoken(str(tmp_path / folder / "net.py"), Path(folder)) == "net.py"
    assert tuned.spoken("lightgbm", Path("here")) == "lightgbm"
    far = str(tmp_path / "there" / "net.py")
    assert tuned.spoken(far, Path("here")) == far
