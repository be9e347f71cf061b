"""Arithmetic of labels as a recipe writes it: parsed once, computed on arrays, with names and functions from a list."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping

import numpy as np

from kit.errors import nearest
from kit.types import Floats

NAMES = ("own", "other", "share")

_PAIRS: Mapping[type, Callable[[Floats, Floats], Floats]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_FUNCTIONS: Mapping[str, tuple[int, Callable[..., Floats]]] = {
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "abs": (1, np.abs),
    "round": (1, np.round),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "log": (1, np.log),
}


def checked(text: str) -> str:
    """Return the formula.

    Raises:
        ValueError: it is not arithmetic of `own`, `other` and `share`.
    """
    compute(text, {name: np.ones(1) for name in NAMES})
    return text


def compute(text: str, values: Mapping[str, Floats]) -> Floats:
    """Return the formula's value for arrays (n,) of each name.

    >>> compute("own / 4 + min(other, 1)", {"own": np.array([8.0]), "other": np.zeros(1), "share": np.ones(1)})
    array([2.])
    """
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise ValueError(f"formula: it cannot be read: {text}") from error
    with np.errstate(all="ignore"):
        return np.asarray(_value(tree.body, values), np.float64)


def _value(node: ast.expr, values: Mapping[str, Floats]) -> Floats:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return np.asarray(node.value, np.float64)
    if isinstance(node, ast.Name):
        if node.id not in values:
            near = nearest(node.id, values)
            raise ValueError(
                f"formula: unknown name {node.id}; there are {', '.join(values)}" + (f"; {near}" if near else "")
            )
        return values[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp) and type(node.op) in _PAIRS:
        return _PAIRS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        wanted, function = _FUNCTIONS[node.func.id]
        if len(node.args) != wanted or node.keywords:
            raise ValueError(f"formula: {node.func.id} takes {wanted} values")
        return function(*(_value(argument, values) for argument in node.args))
    allowed = f"numbers, {', '.join(values)}, + - * / **, {', '.join(_FUNCTIONS)}"
    raise ValueError(f"formula: {ast.unparse(node)} is not among {allowed}")
