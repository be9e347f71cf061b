"""Stackers, one module each."""
