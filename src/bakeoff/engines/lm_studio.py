"""What LM Studio says of a model in its own REST API (``/api/v1/models``, from 0.4.0 on), which OpenAI's leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bakeoff.engines.lookup import count_or_none, get_json, table, text_or_none
from bakeoff.errors import EngineError
from bakeoff.results.records import Model

OWNER = "organization_owner"
"""Who owns its models in ``/v1/models``."""


async def lm_studio_model(base: str, headers: Mapping[str, str], name: str) -> Model:
    """The model of that key, or loaded under that name; with its name alone where an older LM Studio answers."""
    try:
        listing = table(await get_json(f"{base}/api/v1/models", headers)).get("models")
    except EngineError:
        listing = None
    entry = next((e for e in listing or () if isinstance(e, dict) and name in _names(e)), {})
    return Model(
        name=name,
        quant=text_or_none(table(entry.get("quantization")).get("name")),
        size_bytes=count_or_none(entry.get("size_bytes")),
        architecture=text_or_none(entry.get("architecture")),
        context_trained=count_or_none(entry.get("max_context_length")),
    )


def _names(entry: dict[str, Any]) -> set[object]:
    loaded = entry.get("loaded_instances")
    instances = loaded if isinstance(loaded, list) else []
    return {entry.get("key"), *(table(instance).get("id") for instance in instances)}
