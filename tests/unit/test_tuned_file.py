"""The file that `kit tune` writes reads back as what was written, whatever a key or a name looks like."""

from __future__ import annotations

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
