"""More dialects of OpenAI's interface, as their documentation and source have them: neither was seen for real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.fakes import MODEL, FakeChat, ok, usage
from tests.servers import Received


class FakeSglang(FakeChat):
    """SGLang: obeys ``ignore_eos``; reasoning is counted beside the other counts, cached tokens only where asked.

    After srt/entrypoints/openai/protocol.py and usage_processor.py (``--enable-cache-report``).
    """

    owner = "sglang"

    def __init__(self, *, cache_report: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.cache_report = cache_report

    def models(self) -> bytes:
        card = {"id": MODEL, "object": "model", "created": 1, "owned_by": self.owner, "root": MODEL, "parent": None,
                "max_model_len": 32768}  # fmt: skip
        return ok({"object": "list", "data": [card]})

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit, options = body["max_tokens"], body.get("stream_options") or {}
        prompt, cached = self.evaluate(body)
        whole = self.length(limit, body.get("ignore_eos", False))
        details = {"prompt_tokens_details": {"cached_tokens": cached} if self.cache_report else None}

        def spent(count: int) -> dict[str, Any]:
            return usage(prompt, count, **details, reasoning_tokens=min(count, self.thinking))

        def so_far(count: int) -> dict[str, Any] | None:
            return spent(count) if options.get("continuous_usage_stats") else None

        yield self.event(choices=self.choice(role="assistant", content=""), usage=so_far(0))
        for count, (text, thought) in enumerate(self.words(whole, ignore_eos=True), 1):
            yield self.event(choices=self.choice(**self.piece(text, thought)), usage=so_far(count))
        yield self.event(choices=self.choice("length" if whole == limit else "stop"))
        if options.get("include_usage"):
            yield self.event(usage=spent(whole))
        yield self.done()


class FakeLmStudio(FakeChat):
    """LM Studio: takes any field and ignores what it does not know, answers wrong paths with 200, lists in its own way.

    After its documentation (developer/openai-compat, developer/rest/list).
    """

    owner = "organization_owner"

    def __init__(self, *, old: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.old = old

    def lookup(self, request: Received) -> bytes | None:
        if (request.method, request.path) == ("GET", "/api/v1/models") and not self.old:
            entry = {"type": "llm", "publisher": "lmstudio-community", "key": "someone/tiny", "architecture": "qwen2",
                     "quantization": {"name": "Q4_K_M", "bits_per_weight": 4}, "size_bytes": 1234567,
                     "params_string": "7B", "max_context_length": 131072, "format": "gguf",
                     "loaded_instances": [{"id": MODEL, "config": {"context_length": 4096}}]}  # fmt: skip
            return ok({"models": [{"type": "embedding", "key": "nomic", "loaded_instances": []}, entry]})
        if request.path not in ("/v1/models", "/v1/chat/completions"):
            return ok({"error": f"Unexpected endpoint or method. ({request.method} {request.path})"})
        return super().lookup(request)

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit = body["max_tokens"]
        prompt, _ = self.evaluate(body)
        count = self.length(limit)
        for text, thought in self.words(limit):
            yield self.event(choices=self.choice(role="assistant", **self.piece(text, thought)))
        yield self.event(choices=self.choice("length" if count == limit else "stop"))
        if (body.get("stream_options") or {}).get("include_usage"):
            spent = usage(prompt, count, completion_tokens_details={"reasoning_tokens": min(count, self.thinking)})
            yield self.event(usage=spent)
        yield self.done()


def strict(body: dict[str, Any], known: frozenset[str]) -> bytes | None:
    """The refusal of a server on pydantic that forbids what it does not know; None where it knows all."""
    extra = [{"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
             for name in body if name not in known]  # fmt: skip
    return json.dumps({"detail": extra}).encode() if extra else None
