"""``python -m bakeoff``."""

from __future__ import annotations

from bakeoff.cli.main import entry

entry()
