from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from blake3 import blake3

from kit import canon
from kit.canon import canonical, digest_data, digest_file, digest_object, fingerprint, key_of, stream
from kit.params import ColumnName


def test_equal_values_have_one_form():
    assert canonical({"b": 1, "a": [1, 2]}) == canonical({"a": (1, 2), "b": 1}) == '{"a":[1,2],"b":1}'
    assert canonical({1: "x"}) == '{"1":"x"}'
    assert canonical("ü") == '"ü"'
    assert canonical(ColumnName("c")) == '"c"'
    assert canonical([math.inf, -math.inf, None, True]) == '["inf","-inf",null,true]'


def test_what_differs_for_a_library_differs():
    forms = [1, 1.0, True, "1", [1], None, 0.1, 0.1 + 2**-56]
    assert len({canonical(v) for v in forms}) == len(forms)


@pytest.mark.parametrize("value", [float("nan"), np.float64(1.0).astype(object).__class__, {1, 2}, b"x", np.int64(1)])
def test_what_has_no_form_is_refused(value):
    with pytest.raises((TypeError, ValueError)):
        canonical({"a": value})


def test_a_key_is_the_sha256_of_format_and_ingredients():
    assert key_of({"a": 1}) == hashlib.sha256(b'{"a":1,"format":1}').hexdigest()
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_a_file_is_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert digest_file(tmp_path / "a") == hashlib.sha256(b"x" * 100_000).hexdigest()


def test_a_large_data_file_is_its_pieces_however_many_threads_hash_them(tmp_path, monkeypatch):
    path, data = tmp_path / "a", np.random.default_rng(0).bytes(700_000)
    path.write_bytes(data)
    assert digest_data(path, 2) == digest_object(path) == blake3(data).hexdigest()
    monkeypatch.setattr(canon, "_PIECE", 300_000)
    parts = [blake3(data[at : at + 300_000]).hexdigest() for at in (0, 300_000, 600_000)]
    whole = blake3("/".join(parts).encode()).hexdigest()
    assert digest_data(path, 1) == digest_data(path, 3) == whole != digest_object(path)


@pytest.fixture
def code(tmp_path):
    def write(text: str, name: str = "plugin.py") -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / "helper.py").write_text("VALUE = 1\n")
        (folder / name).write_text(text)
        return fingerprint(folder / name)

    return write


PLUGIN = 'import helper\n\ndef fit(x):\n    """Doc."""\n    return x + helper.VALUE\n'


def test_comments_layout_and_docs_are_no_code(code):
    other = "# a comment\nimport helper\n\n\ndef fit(x):\n    '''Another\n    doc.'''\n    # why\n    return (x +\n            helper.VALUE)\n"
    assert code(PLUGIN) == code(other)


@pytest.mark.parametrize("change", [("x + ", "x - "), ("fit", "fits"), ("import helper\n", "import helper\nA = 1\n")])
def test_code_is_code(code, change):
    assert code(PLUGIN) != code(PLUGIN.replace(*change))


def test_a_helper_beside_a_plugin_counts(tmp_path):
    prints = []
    for i, value in enumerate((1, 1, 2)):
        folder = tmp_path / str(i)
        folder.mkdir()
        (folder / "plugin.py").write_text(PLUGIN)
        (folder / "helper.py").write_text(f"VALUE = {value}\n")
        prints.append(fingerprint(folder / "plugin.py"))
    assert prints[0] == prints[1] != prints[2]


def test_streams_are_named():
    draws = {
        name: stream(7, *name).integers(2**60) for name in [("fit", 0, 1), ("fit", 1, 0), ("fit", 0, 2), ("stop", 0, 1)]
    }
    assert len(set(draws.values())) == 4
    assert stream(8, "fit", 0, 1).integers(2**60) != draws[("fit", 0, 1)]
    again = stream(7, "fit", 0, 1)
    assert again.integers(2**60) == draws[("fit", 0, 1)]
    # The number of a stream never changes: it is part of every stored result.
    assert stream(7, "split", 0).integers(2**60) == 666184283690044265


def test_a_kept_fingerprint_is_that_of_the_code(tmp_path, monkeypatch):
    module = tmp_path / "module.py"
    for name in ("canon.py", "module.py"):
        (tmp_path / name).write_text("A = 1\n")
    monkeypatch.setattr(canon, "_ROOT", tmp_path)
    monkeypatch.setattr(canon, "__file__", str(tmp_path / "canon.py"))

    def anew() -> str:
        for cached in (canon._kit_digest, canon._source_digest, canon._read_kit):
            cached.cache_clear()
        return fingerprint(module)

    first = anew()
    (kept,) = (tmp_path / "__pycache__").iterdir()
    assert anew() == first == canon._code_digest(module)
    kept.write_text(kept.read_text().replace(first, "kept"))
    assert anew() == "kept"
    for damaged in ("", "[]", '["x", 1]', '["x", {"gone.py": ""}]'):
        kept.write_text(damaged)
        assert anew() == first
    module.write_text("A = 2\n")
    assert anew() == canon._code_digest(module) != first


@pytest.mark.parametrize(
    ("user", "shared"), [("stackers/prior_shift", "tilt"), ("weights/lds", "bins"), ("evaluate", "em")]
)
def test_what_several_modules_calculate_with_is_part_of_each(user, shared):
    """A change of how it calculates must make what rests on it anew."""
    assert canon._ROOT / f"{shared}.py" in canon.parts_of(canon._ROOT / f"{user}.py")
