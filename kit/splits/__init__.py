"""Splitters, one module each."""
