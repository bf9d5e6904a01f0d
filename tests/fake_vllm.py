"""A whole vLLM server for tests: what FakeVllm streams, with all that is asked beside it.

Its prefix cache holds whole blocks, under the salt of the request; what it tells of it, and of a request's times,
depends on how it was started. Before 2026 a zero from the cache was left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from tests.fakes import MODEL, PREFILL_S, TOKEN_S, FakeVllm, Refusal, ok, usage
from tests.servers import Received, sized

BLOCK = 16
QUEUE_S = 0.0001


class FakeVllmServer(FakeVllm):
    """``details`` and ``metrics`` are what ``--enable-prompt-tokens-details`` and ``-per-request-metrics`` add.

    ``prompt_end`` is how its chat template ends a prompt. ``others`` is what others have it do beside each of our
    requests: requests ended, preemptions, seconds waited. ``healthy`` may be turned off.
    """

    _known: ClassVar[frozenset[str]] = frozenset(
        {
            "model", "messages", "prompt", "stream", "stream_options", "max_tokens", "min_tokens", "ignore_eos",
            "temperature", "top_p", "top_k", "min_p", "seed", "repetition_penalty", "cache_salt",
        }
    )  # fmt: skip

    def __init__(
        self,
        *,
        name: str = MODEL,
        root: str = "someone/tiny",
        context: int = 1024,
        version: str = "0.32.0",
        details: bool = True,
        metrics: bool = True,
        zero_told: bool = True,
        salted: bool = True,
        prefix_caching: bool = True,
        kv_cache_bytes: int | None = None,
        prompt_end: str = "<|im_start|>assistant\n",
        others: tuple[int, int, float] = (0, 0, 0.0),
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.name, self.root, self.context, self.version = name, root, context, version
        self.details, self.metrics, self.zero_told = details, metrics, zero_told
        self.salted, self.prefix_caching = salted, prefix_caching
        self.kv_cache_bytes = kv_cache_bytes
        self.prompt_end = prompt_end
        self.others = others
        self.healthy = True
        self.counted = [0.0, 0.0, 0.0]
        self._blocks: set[tuple[str, ...]] = set()

    def lookup(self, request: Received) -> bytes | None:
        match request.method, request.path:
            case "GET", "/version":
                return ok({"version": self.version})
            case "GET", "/health":
                return sized(b"") if self.healthy else sized(b"", b"503 Service Unavailable")
            case "GET", "/metrics":
                return sized(self._metrics().encode())
            case "POST", "/tokenize":
                return ok({"count": 3, "max_model_len": self.context, "tokens": [1, 2, 3], "token_strs": None})
            case "POST", "/detokenize":
                assert json.loads(request.body)["tokens"] == [1, 2, 3]
                return ok({"prompt": f"Hi{self.prompt_end}"})
            case "POST", "/v1/completions":
                return None
        return super().lookup(request)

    def models(self) -> bytes:
        card = {"id": self.name, "object": "model", "created": 1, "owned_by": self.owner, "root": self.root,
                "parent": None, "max_model_len": self.context, "permission": []}  # fmt: skip
        return ok({"object": "list", "data": [card]})

    def _metrics(self) -> str:
        labels = f'{{engine="0",model_name="{self.name}"}}'
        requests, preemptions, queue_s = self.counted
        cache = {"block_size": BLOCK, "num_gpu_blocks": 64, "gpu_memory_utilization": 0.9,
                 "enable_prefix_caching": self.prefix_caching, "cache_dtype": "auto",
                 "kv_cache_memory_bytes": self.kv_cache_bytes}  # fmt: skip
        told = ",".join(f'{key}="{value}"' for key, value in cache.items())
        return (
            "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
            f"vllm:num_requests_running{labels} 0.0\nvllm:num_requests_waiting{labels} 0.0\n"
            f"vllm:kv_cache_usage_perc{labels} 0.0\nvllm:num_preemptions_total{labels} {preemptions}\n"
            f'vllm:request_success_total{{engine="0",finished_reason="stop",model_name="{self.name}"}} 0.0\n'
            f'vllm:request_success_total{{engine="0",finished_reason="length",model_name="{self.name}"}} {requests}\n'
            f"vllm:request_queue_time_seconds_sum{labels} {queue_s}\nvllm:cache_config_info{{{told}}} 1.0\n"
        )

    def check(self, body: dict[str, Any]) -> None:
        """Refuse as it does; a field that it does not know would be ignored, so none must be sent."""
        assert set(body) <= self._known, body
        if body["model"] != self.name:
            raise Refusal("404 Not Found", self._error("NotFoundError", f"The model `{body['model']}` does not exist."))
        prompt, limit, room = len(self._tokens(body)), body["max_tokens"], self.context
        if limit > room:
            raise self._refused(f"max_tokens={limit} cannot be greater than max_model_len={room}.")
        if prompt >= room:
            raise self._refused(f"This model's maximum context length is {room} tokens.")
        if body.get("min_tokens", 0) > room - prompt:
            raise self._refused(f"min_tokens must be less than or equal to max_tokens={room - prompt}, got {limit}.")

    def _refused(self, text: str) -> Refusal:
        return Refusal("400 Bad Request", self._error("BadRequestError", text))

    def _error(self, kind: str, text: str) -> Any:
        return {"error": {"message": text, "type": kind, "param": None, "code": 400}}

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        tokens, options = self._tokens(body), body.get("stream_options", {})
        limit = min(body["max_tokens"], self.context - len(tokens))
        prompt, cached, count = len(tokens), self._cached(tokens, str(body.get("cache_salt", ""))), 0
        whole = self.length(limit, body.get("ignore_eos", False))
        chat = "messages" in body

        def so_far() -> dict[str, Any]:
            return {"usage": usage(prompt, count)} if options.get("continuous_usage_stats") else {}

        if chat:
            yield self.event(choices=self.choice(role="assistant", content=""), **so_far())
        for count, (text, thought) in enumerate(self.words(whole, ignore_eos=True), 1):
            finish = None if count < whole else "length" if whole == limit else "stop"
            plain = [{"index": 0, "text": text, "finish_reason": finish}]
            yield self.event(choices=self.choice(finish, **self.piece(text, thought)) if chat else plain, **so_far())
        self._count()
        if options.get("include_usage"):
            yield self.event(usage=usage(prompt, count, **self._told(cached)), **self._times(prompt - cached, count))
        yield self.done()

    def _tokens(self, body: dict[str, Any]) -> list[str]:
        if "prompt" in body:
            return [str(number) for number in body["prompt"]]
        texts = {message["role"]: message["content"] for message in body["messages"]}
        return ["<s>", *texts.get("system", "").split(), "<user>", *texts["user"].split(), "<assistant>"]

    def _cached(self, tokens: list[str], salt: str) -> int:
        """Tokens in the leading blocks that are held, the last token never among them; all whole blocks are kept."""
        salt = salt if self.salted else ""
        ends = range(BLOCK, len(tokens) + 1, BLOCK)
        blocks = [(salt, *tokens[:end]) for end in ends] if self.prefix_caching else []
        held = 0
        for block in blocks:
            if block not in self._blocks or len(block) > len(tokens):
                break
            held += BLOCK
        self._blocks.update(blocks)
        return held

    def _told(self, cached: int) -> dict[str, Any]:
        return (
            {"prompt_tokens_details": {"cached_tokens": cached}} if self.details and (cached or self.zero_told) else {}
        )

    def _times(self, evaluated: int, count: int) -> dict[str, Any]:
        if not self.metrics:
            return {}
        generation = (count - 1) * TOKEN_S * 1e3
        first = evaluated * PREFILL_S * 1e3
        return {"metrics": {"time_to_first_token_ms": first, "generation_time_ms": generation,
                            "queue_time_ms": QUEUE_S * 1e3, "mean_itl_ms": TOKEN_S * 1e3,
                            "tokens_per_second": count / (first + generation) * 1e3}}  # fmt: skip

    def _count(self) -> None:
        requests, preemptions, queue_s = self.others
        self.counted[0] += 1 + requests
        self.counted[1] += preemptions
        self.counted[2] += QUEUE_S + queue_s
