"""How a name stands in a recipe: advice that a person copies must read back as what it says."""

from __future__ import annotations

import json

from kit.errors import RecipeError
from kit.strictyaml import parse_scalar_or_flow


def spelt(name: str) -> str:
    """Return a name as a recipe writes it between brackets: plain where that reads back as the name, else in quotes.

    >>> spelt("Date Egg"), spelt("Unnamed: 0"), spelt("7")
    ('Date Egg', '"Unnamed: 0"', '"7"')
    """
    try:
        plain = parse_scalar_or_flow(f"[{name}]") == [name] and parse_scalar_or_flow(f"{{{name}: 0}}") == {name: 0}
    except RecipeError:
        plain = False
    return name if plain else json.dumps(name, ensure_ascii=False)
