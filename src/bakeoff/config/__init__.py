"""The user's own prices and defaults: one TOML file. It holds no secret, and nothing in it is needed.

``config.toml`` lies in the platform's configuration folder, or in ``BAKEOFF_HOME``. ``KEYS`` is all that it may hold;
``*`` stands for a name of the user's choice.
"""

from __future__ import annotations

from bakeoff.config.edit import with_value, without_value
from bakeoff.config.keys import KEYS, Place, Value, check, dotted, kind_of, parse_key, parse_value
from bakeoff.config.settings import Settings, checked, config_path, read_settings, read_text

__all__ = [
    "KEYS", "Place", "Settings", "Value", "check", "checked", "config_path", "dotted", "kind_of", "parse_key",
    "parse_value", "read_settings", "read_text", "with_value", "without_value",
]  # fmt: skip
