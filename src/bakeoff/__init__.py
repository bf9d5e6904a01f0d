"""Bakeoff: which reasoning model should I run on my own machine? Measured, with evidence."""

__version__ = "0.1.0"
