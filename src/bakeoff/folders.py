"""Where Bakeoff keeps things, by the platform's own rules. ``BAKEOFF_HOME`` puts all of it in one place."""

from __future__ import annotations

import os
from pathlib import Path


def data_folder() -> Path:
    """Folder of what must be kept: the runs."""
    home = os.environ.get("BAKEOFF_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("bakeoff", appauthor=False))


def config_folder() -> Path:
    """Folder of what the user has set."""
    home = os.environ.get("BAKEOFF_HOME")
    if home:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_config_dir("bakeoff", appauthor=False))


def runs_folder() -> Path:
    """Folder of the run files."""
    return data_folder() / "runs"


def cache_folder() -> Path:
    """Folder of what can be made again: synthetic weights."""
    home = os.environ.get("BAKEOFF_HOME")
    if home:
        return Path(home).expanduser() / "cache"
    import platformdirs

    return Path(platformdirs.user_cache_dir("bakeoff", appauthor=False))
