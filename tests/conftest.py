"""Settings of every test run."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
"""Threads that wait must not spin: on a busy or single core a test of two threads takes seconds otherwise."""
