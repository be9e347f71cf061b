"""Processes that do not import the program that started them."""

from __future__ import annotations

import sys
import threading
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType

_STARTING = threading.Lock()
"""Held while a process starts: several threads may start some at once."""


class Process(SpawnProcess):
    """A process that is not told of the main module: a script that calls kit.run would run in it once more."""

    def start(self) -> None:
        """Start the process while an empty module stands for the main one."""
        with _STARTING:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class Spawning(SpawnContext):
    """What pools and workers are made with."""

    Process = Process
