"""Weightings of learning rows, one module each."""
