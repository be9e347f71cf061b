"""The rules of the house, checked on the code itself."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest

from kit import api, cli, registry

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "kit").rglob("*.py"))
MAX_LINES, MAX_BODY, MAX_ARGUMENTS = 300, 40, 6
MAX_EXCUSED = 12
"""Functions that may take more parameters: those with one per option of a command."""

HEAVY = {
    *("torch", "lightgbm", "xgboost", "catboost", "sklearn", "optuna", "pandas", "scipy"),
    *("sentence_transformers", "transformers", "skops", "matplotlib", "ray"),
}
"""What neither `import kit` nor a plug-in's module may load."""

PROTOCOLS = {
    "models": "contracts.ModelModule",
    "features": "contracts.FeatureModule",
    "augment": "contracts.AugmentModule",
    "weights": "contracts.WeightModule",
    "codecs": "contracts.CodecModule",
    "metrics": "judging.MetricModule",
    "stackers": "contracts.StackerModule",
    "splits": "contracts.SplitModule",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
TERMINAL = ("cli.py", "report.py", "terminal.py", "watching.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def nodes_of(tree: ast.Module) -> list[ast.AST]:
    """Return all nodes of a tree: to find them takes longer than to look at them."""
    return list(ast.walk(tree))


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in nodes_of(tree) if isinstance(node, Function))


def imported(tree: ast.Module) -> Iterator[str]:
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# -- size


def test_files_are_small() -> None:
    sizes = {name_of(f): len(f.read_text("utf-8").splitlines()) for f in FILES}
    assert not {name: size for name, size in sizes.items() if size > MAX_LINES}


def test_functions_are_small() -> None:
    long = {
        f"{name_of(f)}:{node.name}": size
        for f in FILES
        for node in functions(tree_of(f))
        if (size := body_lines(node, f.read_text("utf-8").splitlines())) > MAX_BODY
    }
    assert not long


def test_functions_take_few_parameters() -> None:
    wide, excused = {}, []
    for file in FILES:
        lines = file.read_text("utf-8").splitlines()
        for node in functions(tree_of(file)):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            own = len(given) - (bool(given) and given[0].arg in ("self", "cls"))
            if own > MAX_ARGUMENTS:
                place = f"{name_of(file)}:{node.name}"
                wide[place] = own
                excused += [place] if "noqa: PLR0913" in lines[node.lineno - 1] else []
    assert sorted(wide) == sorted(excused)
    assert len(excused) <= MAX_EXCUSED


def body_lines(node: Function, lines: list[str]) -> int:
    """Return the lines of a function, signature included, without its docstring and blank lines."""
    skipped: set[int] = set()
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        skipped = set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
    return sum(1 for i in span if i not in skipped and lines[i - 1].strip())


# -- what imports what


def test_layers_import_only_lower_ones() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_has_a_layer() -> None:
    import configparser

    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    layers = config["importlinter:contract:layers"]["layers"].replace("|", " ").split()
    top = {f"kit.{p.stem}" for p in (ROOT / "kit").glob("*.py")} | {
        f"kit.{p.parent.name}" for p in (ROOT / "kit").glob("*/__init__.py")
    }
    assert top - set(layers) <= {"kit.__init__", "kit.__main__"}


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages a fresh interpreter has loaded after `code`."""
    script = f"import sys\n{code}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_import_kit_is_light() -> None:
    assert not loaded_after("import kit") & (HEAVY | {"polars", "numpy"})


def test_help_is_light() -> None:
    code = "from click.testing import CliRunner\nfrom kit.cli import main\nassert CliRunner().invoke(main, ['--help']).exit_code == 0"
    assert not loaded_after(code) & (HEAVY | {"polars", "numpy"})


def test_the_list_of_results_is_light(tmp_path: Path) -> None:
    """`kit ls` loaded the workers, the tuner and all commands' modules: a second before it read a few cards."""
    card = {"format": 1, "key": "0a", "recipe": "r", "model": "a", "use": "ridge", "metric": "rmse", "score": 0.5}
    (tmp_path / "oof" / "r" / "a").mkdir(parents=True)
    (tmp_path / "oof" / "r" / "a" / "card.json").write_text(json.dumps(card))
    run = f"done = CliRunner().invoke(main, ['ls', '--root', {str(tmp_path)!r}])"
    code = f"from click.testing import CliRunner\nfrom kit.cli import main\n{run}\nassert 'ridge' in done.stdout, done"
    assert not loaded_after(code) & (HEAVY | {"polars", "pebble", "pydantic", "yaml"})


def test_plug_ins_are_imported_without_their_libraries() -> None:
    code = "from kit import registry\nfor kind in registry.KINDS:\n    for name in registry.names(kind):\n        registry.load(kind, name)"
    assert not loaded_after(code) & (HEAVY | {"polars"})


def test_reading_and_planning_is_light() -> None:
    assert not loaded_after("import kit.reader, kit.planning, kit.fold, kit.crossfit") & HEAVY


def offenders(rule: Callable[[Path, ast.Module], object]) -> dict[str, object]:
    """Return what `rule` finds, by file; nothing is well."""
    return {name_of(f): found for f in FILES if (found := rule(f, tree_of(f)))}


@cache
def calls(tree: ast.Module) -> dict[str, int]:
    """Return what is called, as written -> a line."""
    return {ast.unparse(node.func): node.lineno for node in nodes_of(tree) if isinstance(node, ast.Call)}


def test_no_pickle() -> None:
    modules = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}

    def rule(file: Path, tree: ast.Module) -> object:
        allowed = [n for n in nodes_of(tree) if isinstance(n, ast.keyword) and n.arg == "allow_pickle"]
        unsafe = [n.value.lineno for n in allowed if getattr(n.value, "value", True) is not False]
        return unsafe or {name for name in imported(tree) if name.partition(".")[0] in modules}

    assert not offenders(rule)


def test_only_the_registries_import_by_name() -> None:
    """Plug-ins come through registry.py, commands through cli.py, their functions through api.py."""

    def rule(file: Path, tree: ast.Module) -> object:
        names = {n for n in imported(tree) if n.partition(".")[0] == "importlib" and "metadata" not in n}
        return file.name not in ("registry.py", "cli.py", "api.py") and (
            names - {"importlib"} or calls(tree).keys() & {"__import__", "exec", "eval"}
        )

    assert not offenders(rule)


def test_only_the_terminal_prints() -> None:
    def rule(file: Path, tree: ast.Module) -> object:
        shown = {name for name in imported(tree) if name.partition(".")[0] in ("click", "rich")}
        spoken = file.name in TERMINAL or file.parent.name == "commands"
        return not spoken and (shown or calls(tree).keys() & {"print", "sys.stdout.write"})

    assert not offenders(rule)


def test_no_terminal_turns_names_into_pictures() -> None:
    """rich would print `judge:b:` with a picture for `:b:`."""

    def rule(file: Path, tree: ast.Module) -> object:
        made = [n for n in nodes_of(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "Console"]
        return [n.lineno for n in made if "emoji" not in {k.arg for k in n.keywords}]

    assert not offenders(rule)


# -- words


def test_everything_public_has_a_docstring() -> None:
    def rule(file: Path, tree: ast.Module) -> object:
        bare = [] if ast.get_docstring(tree) else ["the module"]
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        for node in [*tree.body, *(member for c in classes for member in c.body)]:
            if isinstance(node, Named) and not (
                node.name.startswith("_") or ast.get_docstring(node) or is_overload(node)
            ):
                bare.append(node.name)
        return bare

    assert not offenders(rule)


def is_overload(node: Function | ast.ClassDef) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)


def test_no_loose_ends() -> None:
    words = ("TODO", "FIXME", "XXX")

    def rule(file: Path, tree: ast.Module) -> object:
        bare = [n.lineno for n in nodes_of(tree) if isinstance(n, ast.ExceptHandler) and n.type is None]
        return bare or [word for word in words if word in file.read_text("utf-8")]

    assert not offenders(rule)


def test_chance_comes_from_a_generator_that_is_passed() -> None:
    """Nothing draws from, or seeds, a library's global state; `canon.stream` makes the generators.

    `owned` seeds it for files of the user's own, and `finetune` torch's, which a text model's layers draw from; both put
    it back.
    """
    kept = {f"random.{verb}" for verb in ("getstate", "setstate", "seed")}
    kept |= {f"np.random.{verb}" for verb in ("get_state", "set_state", "seed")}
    makers = {"np.random.Generator", "np.random.PCG64"}

    def rule(file: Path, tree: ast.Module) -> object:
        found = {c for c in calls(tree) if c.startswith(("np.random.", "random.", "torch.manual_seed"))}
        allowed = {"canon.py": makers, "owned.py": kept, "finetune.py": {"torch.manual_seed"}}
        return found - allowed.get(file.name, set())

    assert not offenders(rule)


PLUGINS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_every_parameter_is_documented(kind: str, name: str) -> None:
    params = getattr(registry.load(kind, name), "Params", None)
    if params is None:
        assert kind == "metrics"
        return
    assert params.__doc__
    assert not [n for n, field in params.model_fields.items() if not field.description]


# -- CLI = API

OF_CLI_ONLY = {"as_json", "debug", "quiet"}
OF_API_ONLY = {"observer", "progress", "train", "test", "sample"}
RENAMED = {"set_": "set", "recipe_": "recipe", "recipe": "path", "dry_run": "dry"}


API_NAMES = {"import": "import_oof"}
"""Commands whose name Python keeps for itself."""


def flat(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command under the name of its function in the API: `kit lb add` is `lb_add`."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from flat(command, f"{prefix}{name}_")
        else:
            yield API_NAMES.get(f"{prefix}{name}", f"{prefix}{name}"), command


def renamed(parameter: click.Parameter) -> str:
    """Return what the API calls it: the recipe a command is about is a path, one among its options a recipe."""
    name = parameter.name or ""
    return name if name == "recipe" and isinstance(parameter, click.Option) else RENAMED.get(name, name)


@pytest.mark.parametrize(("name", "command"), sorted(flat(cli.main), key=lambda pair: pair[0]))
def test_the_command_line_is_the_api(name: str, command: click.Command) -> None:
    function = getattr(api, name)
    options = {renamed(p) for p in command.params if p.name not in OF_CLI_ONLY}
    assert options == set(inspect.signature(function).parameters) - (OF_API_ONLY - options)


def test_what_the_package_promises_is_there() -> None:
    import kit

    assert all(callable(getattr(kit, name)) for name in kit.__all__)
    assert set(kit.__all__) <= set(api.__all__)


# -- contracts, as mypy sees them


def test_every_plug_in_satisfies_its_protocol(tmp_path: Path) -> None:
    """A generated file assigns each module to its Protocol; mypy says whether it fits."""
    lines = ["from kit import contracts, judging"]
    for kind, name in PLUGINS:
        lines.append(f"from kit.{kind} import {name} as {kind}_{name}")
        parameter = "" if kind == "metrics" else f"[{kind}_{name}.Params]"
        labels = kind == "augment" and hasattr(registry.load(kind, name), "label")
        protocol = "contracts.TeacherModule" if labels else PROTOCOLS[kind]
        lines.append(f"m_{kind}_{name}: {protocol}{parameter} = {kind}_{name}")
    proof = tmp_path / "proof.py"
    proof.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), str(proof)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_kind_has_a_battery() -> None:
    batteries = {
        "models": "model",
        "features": "feature",
        "weights": "weight",
        "codecs": "codec",
        "metrics": "metric",
        "stackers": "stacker",
        "splits": "split",
        "augment": "augment",
    }
    assert set(batteries) == set(registry.KINDS) == set(PROTOCOLS)
    missing: list[Any] = [
        k for k, v in batteries.items() if not (ROOT / "tests" / "contracts" / f"test_{v}_contract.py").is_file()
    ]
    assert not missing
