"""What one OpenAI-compatible server is asked for: everything that helps, less what it refuses.

Refusals name the field, each in its own way: ``Unrecognized request argument supplied: ignore_eos`` (OpenAI),
``Unknown parameter: 'stream_options.continuous_usage_stats'.``, ``[{'type': 'extra_forbidden', 'loc': ('body',
'cache_prompt'), …}]`` (servers on pydantic). LM Studio and mlx_lm.server take any field and ignore it.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct, structs

from bakeoff.engines.base import Request
from bakeoff.engines.llama_server import chat_messages, nucleus

LIMIT, NEWER_LIMIT = "max_tokens", "max_completion_tokens"
EXTRAS = ("continuous_usage_stats", "ignore_eos", "cache_prompt", "timings_per_token")
"""Beyond OpenAI's own: running counts (vLLM, SGLang), no end of text (vLLM, SGLang, llama.cpp), llama.cpp's two."""
OPTIONAL = ("stream_options", "temperature", "top_p", "seed", "logprobs")
LAST_RESORT = ("temperature", "top_p", "seed")
"""What reasoning models in the cloud refuse, besides the older limit."""


class Dialect(Struct, frozen=True):
    """The limit's name, and the fields that the server is sent."""

    limit: str = LIMIT
    fields: frozenset[str] = frozenset((*EXTRAS, "stream_options", "temperature", "top_p", "seed"))

    def body(self, model: str, request: Request) -> dict[str, Any]:
        """One streamed chat completion."""
        options = {"include_usage": True}
        if "continuous_usage_stats" in self.fields:
            options["continuous_usage_stats"] = True
        optional = {
            "stream_options": options,
            **({"ignore_eos": True} if request.to_the_limit else {}),
            "cache_prompt": request.cache,
            "timings_per_token": True,
            "temperature": request.temperature,
            **nucleus(request),
            "seed": request.seed,
            "logprobs": True,
        }
        return {
            "model": model,
            "messages": chat_messages(request),
            "stream": True,
            self.limit: request.max_tokens,
            **{name: value for name, value in optional.items() if name in self.fields},
        }

    def narrowed(self, refusal: str) -> Dialect | None:
        """Less, after a refusal: without what it names, else without the extras, else as the newest clouds want it.

        None where there is nothing left to leave out.
        """
        named = self.fields & {name for name in (*EXTRAS, *OPTIONAL) if re.search(rf"\b{name}\b", refusal)}
        if "continuous_usage_stats" in named:
            named -= {"stream_options"}
        if named:
            return self.without(*named)
        if self.limit == LIMIT and re.search(rf"\b{LIMIT}\b", refusal):
            return structs.replace(self, limit=NEWER_LIMIT)
        if self.fields & set(EXTRAS):
            return self.without(*EXTRAS)
        if self.limit == LIMIT:
            return structs.replace(self.without(*LAST_RESORT), limit=NEWER_LIMIT)
        return None

    def without(self, *names: str) -> Dialect:
        return structs.replace(self, fields=self.fields - set(names))

    def asking(self, name: str) -> Dialect:
        return structs.replace(self, fields=self.fields | {name})
