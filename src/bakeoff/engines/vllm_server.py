"""A vLLM server's untimed side: what it is and serves, its counters, and whether it still lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bakeoff.engines.base import Counters
from bakeoff.engines.lookup import count_or_none, get_bytes, get_json, some_names, table, text_or_none
from bakeoff.engines.prometheus import Sample, samples, total
from bakeoff.errors import BrokenReply, EngineError, ModelMissing, ServerRefused

_START = "Start it with 'vllm serve MODEL'"
_THINK = "<think>"
_LAST_TOKENS = 16

_REQUESTS = "vllm:request_success_total"
_PREEMPTIONS = "vllm:num_preemptions_total"
_QUEUE_S = "vllm:request_queue_time_seconds_sum"
_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_KV_USED = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
"""A share of 1 in spite of its name; the second is its name until 0.10."""
_CACHE = "vllm:cache_config_info"
_WANTED = frozenset((_REQUESTS, _PREEMPTIONS, _QUEUE_S, _RUNNING, _WAITING, *_KV_USED, _CACHE))


class VllmSays(Struct, frozen=True, kw_only=True):
    """What a server tells of itself and of one model; ``name`` is what it calls it.

    ``block`` tokens are one block of its KV cache, which holds ``kv_cache_tokens`` in all. It takes a share of the
    memory at once, ``memory_utilization``, or so much for the cache as it was told to, ``kv_cache_bytes``.
    """

    name: str
    version: str | None = None
    context: int | None = None
    block: int | None = None
    kv_cache_tokens: int | None = None
    memory_utilization: float | None = None
    kv_cache_bytes: int | None = None
    prefix_caching: bool | None = None
    opens_thinking: bool | None = None


class VllmServer:
    """The server at ``base``. Everything raises EngineError."""

    def __init__(self, base: str, headers: Mapping[str, str]) -> None:
        self.base = base
        self._headers = headers

    async def look(self, wanted: str) -> VllmSays:
        """Ask what it is, what it calls the model, and how its cache is made.

        ServerRefused where it is no vLLM, ModelMissing where it serves another model.
        """
        version = await self._version()
        card = await self._card(wanted)
        name = str(card["id"])
        cache = _labels(await self._samples(), _CACHE)
        kv_cache_bytes = _whole(cache.get("kv_cache_memory_bytes"))
        return VllmSays(
            name=name,
            version=version,
            context=count_or_none(card.get("max_model_len")),
            block=_whole(cache.get("block_size")),
            kv_cache_tokens=_cache_tokens(cache),
            memory_utilization=None if kv_cache_bytes else _share(cache.get("gpu_memory_utilization")),
            kv_cache_bytes=kv_cache_bytes,
            prefix_caching={"True": True, "False": False}.get(cache.get("enable_prefix_caching", "")),
            opens_thinking=await self._opens_thinking(name),
        )

    async def _version(self) -> str | None:
        try:
            answer = await get_json(f"{self.base}/version", self._headers, name="vLLM", start=_START)
        except (ServerRefused, BrokenReply) as error:
            raise ServerRefused(
                f"{self.base} answers, but is no vLLM server: it has no /version. Check --url; for another kind of "
                "server write openai:NAME.",
                error.status if isinstance(error, ServerRefused) else None,
            ) from error
        return text_or_none(table(answer).get("version"))

    async def _card(self, wanted: str) -> dict[str, Any]:
        listing = table(await get_json(f"{self.base}/v1/models", self._headers)).get("data") or []
        cards = [card for card in listing if isinstance(card, dict) and text_or_none(card.get("id"))]
        if cards and all(card.get("owned_by") != "vllm" for card in cards):
            raise ServerRefused(f"{self.base} answers, but is no vLLM server. Write openai:NAME for it.")
        for card in cards:
            if wanted in _names(card):
                return card
        have = f"It serves: {some_names(str(card['id']) for card in cards)}." if cards else "It serves none."
        raise ModelMissing(f"vLLM at {self.base} has no model {wanted!r}. {have} Write vllm:NAME with one of these.")

    async def _opens_thinking(self, name: str) -> bool | None:
        """Whether the chat template leaves ``<think>`` open, by the end of a prompt that the server makes itself."""
        question = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True}
        try:
            tokens = table(await get_json(f"{self.base}/tokenize", self._headers, body=question)).get("tokens")
            if not isinstance(tokens, list):
                return None
            last = {"model": name, "tokens": tokens[-_LAST_TOKENS:]}
            prompt = table(await get_json(f"{self.base}/detokenize", self._headers, body=last)).get("prompt")
        except EngineError:
            return None
        return prompt.rstrip().endswith(_THINK) if isinstance(prompt, str) else None

    async def counters(self) -> Counters:
        """A reading of ``/metrics``; empty where it is switched off."""
        found = await self._samples()
        return Counters(
            requests=_whole(total(found, _REQUESTS)),
            preemptions=_whole(total(found, _PREEMPTIONS)),
            queue_s=total(found, _QUEUE_S),
            running=_whole(total(found, _RUNNING)),
            waiting=_whole(total(found, _WAITING)),
            kv_cache_used=total(found, *_KV_USED),
        )

    async def _samples(self) -> list[Sample]:
        try:
            text = await get_bytes(f"{self.base}/metrics", self._headers, timeout_s=10)
        except ServerRefused:
            return []
        return samples(text.decode("utf-8", "replace"), _WANTED)

    async def healthy(self) -> bool:
        """Whether its engine is up: it refuses this question when it is not."""
        try:
            await get_bytes(f"{self.base}/health", self._headers, timeout_s=10)
        except EngineError:
            return False
        return True


def _names(card: dict[str, Any]) -> tuple[str, ...]:
    """What users may call a model: as the server does, or by the repository or folder that it was loaded from."""
    root = str(card.get("root") or "").rstrip("/")
    return str(card["id"]), root, root.rpartition("/")[2]


def _labels(found: list[Sample], name: str) -> dict[str, str]:
    return next((sample.labels for sample in found if sample.name == name), {})


def _cache_tokens(cache: dict[str, str]) -> int | None:
    """As it says itself, else blocks by their size, as builds before 0.30 leave it to us."""
    blocks, block = _whole(cache.get("num_gpu_blocks")), _whole(cache.get("block_size"))
    return _whole(cache.get("kv_cache_size_tokens")) or (blocks * block if blocks and block else None)


def _whole(value: float | str | None) -> int | None:
    """A count of the server's, where it is one that a run file holds."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None
    return int(value) if value is not None and 0 <= value < 2**63 else None


def _share(value: str | None) -> float | None:
    try:
        share = float(value or "")
    except ValueError:
        return None
    return share if 0 < share <= 1 else None
