from __future__ import annotations

from math import inf

import pytest

from kit.errors import RecipeError
from kit.spelling import spelt
from kit.strictyaml import Document, apply_sets, load, parse_scalar_or_flow


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_and_load(text: str | bytes) -> Document:
        path = tmp_path / "recipe.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path.relative_to(tmp_path))

    return write_and_load


SCALARS = [
    ("1e-4", 1e-4),
    ("1E5", 1e5),
    (".5", 0.5),
    ("1.", 1.0),
    ("-.5e+3", -500.0),
    ("+3", 3),
    ("007", 7),
    ("0o17", 15),
    ("0x1F", 31),
    (".inf", inf),
    ("-.INF", -inf),
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("~", None),
    ("Null", None),
    ("NO", "NO"),
    ("yes", "yes"),
    ("on", "on"),
    ("off", "off"),
    ("tRUE", "tRUE"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2024-02-29", "2024-02-29"),
    ("0x", "0x"),
    ("0b1", "0b1"),
    ("1e", "1e"),
    (".", "."),
    ("=", "="),
    ("'1'", "1"),
    ('"true"', "true"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_follow_the_core_schema(read, text, value):
    for found in (read(f"a: {text}\n").value["a"], read(f"a: [{text}]\n").value["a"][0], parse_scalar_or_flow(text)):
        assert found == value and type(found) is type(value)


def test_load_reads_values_and_lines(read):
    document = read("# c\na: 1\nb:\n  c: [x, {d: 2}]\n  e:\n    - 3\n    - 4\n5: ''\nf:\n")
    assert document.value == {"a": 1, "b": {"c": ["x", {"d": 2}], "e": [3, 4]}, 5: "", "f": None}
    assert document.lines == {
        ("a",): 2,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 4,
        ("b", "c", 1): 4,
        ("b", "c", 1, "d"): 4,
        ("b", "e"): 5,
        ("b", "e", 0): 6,
        ("b", "e", 1): 7,
        (5,): 8,
        ("f",): 9,
    }
    assert document.place(("b", "e", 1)) == "recipe.yaml:7"
    assert document.place(("b", "e", 9, "z")) == "recipe.yaml:5"
    assert document.place(("nothing",)) == document.place(()) == "recipe.yaml"
    assert document.excerpt(("b", "c", 0)) == "c: [x, {d: 2}]"
    assert document.excerpt(("nothing",)) == ""


def test_load_accepts_bom_and_crlf(read):
    document = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert document.value == {"a": 1, "b": 2} and document.place(("b",)) == "recipe.yaml:2"


def test_anchors_and_merges_give_separate_values(read):
    document = read("x: &x {p: 1, q: {r: 1}}\ny: &y {p: 2, s: 3}\nz:\n  q: 5\n  <<: [*y, *x]\nw: *x\n")
    assert document.value["z"] == {"p": 2, "q": 5, "s": 3}
    assert document.value["w"] == document.value["x"] and document.value["w"]["q"] is not document.value["x"]["q"]
    assert document.place(("z", "q")) == document.place(("z", "q", "r")) == "recipe.yaml:4"
    assert document.place(("z", "p")) == "recipe.yaml:2"


BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3:1", ["'a' stands twice", "line 1"]),
        ("b:\n  c: 1\n  'c': 2\n", ":3:3", ["'c' stands twice"]),
        ("b: {1: x, '1': y}\n", ":1:11", ["'1' stands twice"]),
        ("a:\n\tb: 1\n", ":2:1", ["spaces, never with tabs"]),
        ("a: 1\n b: 2\n", ":2:3", ["mapping values", "indentation"]),
        ("a: b: c\n", ":1:5", ["quotes around text"]),
        ("a: [1, 2\nb: 3\n", ":2:2", ["close the bracket"]),
        ("a: {depth:8}\n", ":1:5", ["'depth:8' has no value", "blank after the colon"]),
        ('a: "x\n', ":1:", ["end of stream", "close the quotes"]),
        ('a: "\\d"\n', ":1:6", ["unknown escape"]),
        ("a: @x\n", ":1:4", ["special character"]),
        ("a: *x\n", ":1:4", ["undefined alias"]),
        ("a: &a [*a]\n", ":1:4", ["inside its own anchor"]),
        ("a: .nan\n", ":1:4", ["nan is no value"]),
        ("a: !!int x\n", ":1:4", ["not a YAML int"]),
        ("a: !!python/name:os.system\n", ":1:4", ["tag !!python/name:os.system"]),
        ("a: !mine {b: 1}\n", ":1:4", ["tag !mine"]),
        ("a: !!set {b}\n", ":1:4", ["tag !!set"]),
        ("true: 1\n", ":1:1", ["a key must be text"]),
        ("? [a]\n: 1\n", ":1:3", ["a key must be text"]),
        ("a: {<<: [1]}\n", ":1:5", ["<< takes mappings only"]),
        ("a: {<<: {b: 1}, <<: {c: 1}}\n", ":1:17", ["'<<' stands twice"]),
        ("---\na: 1\n---\nb: 1\n", ":3:1", ["one document"]),
        (BOMB, ":1:", ["aliases expand to over"]),
        ("a: " + "9" * 5000, ":1:4", ["not a YAML int"]),
        ("a: " + "[" * 5000, "", ["nested too deeply"]),
        ("- a\n- b\n", ":1", ["a recipe is a mapping"]),
        ("", ":1", ["the recipe is empty"]),
        ("# nothing\n", ":1", ["the recipe is empty"]),
        (b"a: 1\nb: \xff\n", ":2", ["not UTF-8"]),
        ("a: 1\nb: \x00\n", "", ["line 2", "control character"]),
    ],
)
def test_load_refuses_with_place_and_next_step(read, text, place, parts):
    with pytest.raises(RecipeError) as caught:
        read(text)
    shown = str(caught.value)
    assert shown.startswith(f"recipe.yaml{place}"), shown
    assert all(part in shown for part in parts), shown
    assert len(shown.splitlines()) <= 8


def test_load_names_the_nearest_file(read, tmp_path):
    read("a: 1\n")
    with pytest.raises(RecipeError, match=r"does not exist(.|\n)*did you mean 'recipe.yaml'"):
        load(tmp_path / "recpie.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1, a, {b: .5}]", [1, "a", {"b": 0.5}]),
        ('{"a":[1,{"b":null}]}', {"a": [1, {"b": None}]}),
        ("0.1,0.2", "0.1,0.2"),
        ("a: b", "a: b"),
        ("*x", "*x"),
        ("# x", "# x"),
        ("!!int 3", "!!int 3"),
        ("", None),
    ],
)
def test_parse_takes_flow_or_plain_text(text, value):
    assert parse_scalar_or_flow(text) == value


@pytest.mark.parametrize("text", ["[1", "[1] x", "{a:1}", ".nan", '"x'])
def test_parse_refuses_half_a_value(text):
    with pytest.raises(RecipeError, match=r"^--set: "):
        parse_scalar_or_flow(text)


def test_apply_sets_sets_values_and_their_places(read):
    text = "models:\n  cat:\n    params: {depth: 6, x: {y: 1}}\n  none:\nw: {0: 1.0}\nitems:\n  - a\n  - {b: 1}\n"
    document = read(text)
    sets = [
        "models.cat.params.x=8",
        "models.none.params.depth=3",
        "new.a=[1, 2]",
        "w.0=7",
        "items.0=z",
        "items.1.b=2",
        "items.1.b=3",
    ]
    changed = apply_sets(document, sets)
    assert changed.value == {
        "models": {"cat": {"params": {"depth": 6, "x": 8}}, "none": {"params": {"depth": 3}}},
        "w": {0: 7},
        "items": ["z", {"b": 3}],
        "new": {"a": [1, 2]},
    }
    assert document.value == read(text).value, "the first document stays as it was"
    assert changed.place(("models", "cat", "params", "x")) == "--set models.cat.params.x=8"
    assert changed.place(("models", "cat", "params", "x", "y")) == "--set models.cat.params.x=8"
    assert changed.place(("models", "none", "params")) == "--set models.none.params.depth=3"
    assert changed.place(("new",)) == changed.place(("new", "a", 1)) == "--set new.a=[1, 2]"
    assert changed.place(("items", 1, "b")) == "--set items.1.b=3"
    assert changed.place(("models", "cat", "params", "depth")) == "recipe.yaml:3"
    assert changed.excerpt(("items", 1)) == "- {b: 1}" and changed.excerpt(("items", 1, "b")) == ""


def test_apply_sets_reports_all_bad_arguments_at_once(read):
    document = read("a: {b: 1}\nl: [1]\n")
    bad = ["a", "=1", "a..b=1", "a.b.c=1", "l.1=0", "l.x=0", "a.d=[1"]
    with pytest.raises(RecipeError) as caught:
        apply_sets(document, [*bad, "a.c=2"])
    assert [p.place for p in caught.value.problems] == [f"--set {argument}" for argument in bad]
    assert apply_sets(document, []).value == document.value


@pytest.mark.parametrize(
    "name", ["Age", "Unnamed: 0", "a, b", "7", "null", "# n", "lieu: où?", 'say "x"', "a]", " b", "", "\t"]
)
def test_a_spelt_name_reads_back_between_brackets(name):
    assert parse_scalar_or_flow(f"{{drop: [{spelt(name)}], kinds: {{{spelt(name)}: numeric}}}}") == {
        "drop": [name],
        "kinds": {name: "numeric"},
    }


def test_escapes_of_json_make_whole_characters(read):
    """json.dumps writes an emoji as two halves, which no file could be written with."""
    assert read('a: "\\ud83d\\ude00 \\u00fc"\n"\\ud83d\\ude00": 1\n').value == {
        "a": "\U0001f600 \u00fc",
        "\U0001f600": 1,
    }
    assert read('a: "\\ud83d"\n').value["a"].encode()
