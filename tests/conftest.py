"""Settings of every test run."""

import os
import sys

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Threads that wait must not spin: on a busy or single core a test of two threads takes seconds otherwise."""

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
"""What Python compiles is kept: dozens of tests start processes, and each would compile all of kit anew."""
