"""Augmenters, one module each."""
