"""Intervals and tests; pure."""
