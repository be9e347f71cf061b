"""The examples of the documents are recipes that kit reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kit.errors import KitError
from kit.given import hand_over
from kit.opening import each, read_recipe
from kit.reader import TOP_LEVEL

ROOT = Path(__file__).resolve().parents[1]
BASE = {
    "data": "data: {train: train.csv, test: test.csv, id: id, target: y}",
    "metric": "metric: rmse",
    "models": "models: {a: lightgbm}",
}
NAMES = ("feature set", "augmentation", "model", "model or blend", "source")
"""What an example may name without declaring it."""


def examples() -> list[tuple[str, str]]:
    """Return the place and text of each yaml block made of sections of a recipe; one that shows alternatives is each."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text("utf-8")
        for block in re.finditer(r"```yaml\n(.*?)```", text, re.DOTALL):
            keys = re.findall(r"^(\w+):", block[1], re.MULTILINE)
            parts = [block[1]]
            if len(set(keys)) < len(keys):
                parts = re.split(r"^(?=\w)", block[1], flags=re.MULTILINE)[1:]
            place = f"{path.name}:{text[: block.start()].count(chr(10)) + 2}"
            if keys and set(keys) <= set(TOP_LEVEL) and "tuned_on" not in block[1]:
                found += [(f"{place} {part.partition(chr(10))[0]}", part) for part in parts]
    return found


@pytest.mark.parametrize(("place", "text"), examples(), ids=lambda value: value.split()[0])
def test_an_example_is_read(place: str, text: str, tmp_path: Path) -> None:
    """What is wrong with it is at most that it names what another part of a recipe declares."""
    given = set(re.findall(r"^(\w+):", text, re.MULTILINE))
    lines = [line for key, line in BASE.items() if key not in given]
    (tmp_path / "r.yaml").write_text("\n".join([*lines, text]), "utf-8")
    try:
        picks = [part.sets for part in each(hand_over(tmp_path / "r.yaml"), ())] or [()]
        for pick in picks:
            read_recipe(tmp_path / "r.yaml", pick)
    except KitError as error:
        wrong = [p for p in error.problems if p.rule not in {f"unknown {name}" for name in NAMES}]
        assert not wrong, (place, [(p.rule, p.got) for p in wrong])


def test_there_are_examples() -> None:
    assert len(examples()) > 15
