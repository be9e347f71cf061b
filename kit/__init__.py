"""kit: recipes in; out-of-fold predictions, blends and submissions out."""

__version__ = "0.1.0"
