"""Learners, one module each."""
