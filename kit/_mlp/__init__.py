"""The torch parts of hetero_mlp (private)."""
