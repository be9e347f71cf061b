"""The command line: the group of the commands in kit/commands."""

from __future__ import annotations

import importlib
from pathlib import Path

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="kaggle-kit", prog_name="kit")
def main() -> None:
    """Recipes in; out-of-fold predictions, blends and submissions out."""


for _name in sorted(p.stem for p in (Path(__file__).parent / "commands").glob("[!_]*.py")):
    main.add_command(importlib.import_module(f"kit.commands.{_name}").command)


if __name__ == "__main__":
    main()
