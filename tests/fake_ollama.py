"""Ollama's ``/api`` by its source (server/routes.go, api/types.go, llm/llama_server.go) and its API reference.

NDJSON, nanoseconds, zeros left out. The versions that it can be:

0.5.7    the article's: the prompt's count includes cached tokens and is left out on a full hit, reasoning stands in
         the text, ``truncate`` and ``think`` are not known, ``/api/ps`` tells no context
0.32.9   ``thinking`` is a field, a prompt that is too long loses all but about half of the context
0.33.3   tells the cached tokens
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from tests.fakes import MODEL, NS, PREFILL_S, TOKEN_S, FakeServer, Refusal, ok
from tests.servers import Received, sized

LOAD_NS, RESIDENT_NS = 1_500_000_000, 12_000_000
KEEP = 4
"""``num_keep``'s default: what stays of the front of a prompt that is cut."""
AT = "2026-11-04T19:22:45.499127Z"
DIGEST = "sha256:0a8c266910232fd3291e71e5ba1e058cc5af9d411192cf88b6d30e92b6e73163"


class FakeOllama(FakeServer):
    """Holds ``held`` and can pull anything in ``registry``; everything is 4,000 MB when loaded, half on a GPU.

    ``load_fault`` is what a load fails with. ``others`` are loaded too. ``loads`` and ``unloads`` are the empty
    requests that it had, ``pulls`` the names.
    """

    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    _types: ClassVar[dict[str, tuple[type, ...]]] = {
        "num_ctx": (int,), "num_predict": (int,), "seed": (int,), "num_gpu": (int,), "num_thread": (int,),
        "temperature": (int, float), "top_p": (int, float), "top_k": (int,), "min_p": (int, float),
        "repeat_penalty": (int, float),
    }  # fmt: skip

    def __init__(
        self,
        *,
        version: str = "0.33.3",
        template: str = "{{ .Prompt }}",
        held: tuple[str, ...] = (f"{MODEL}:latest",),
        registry: tuple[str, ...] = (),
        facts: dict[str, Any] | None = None,
        quant: str = "Q4_K_M",
        gpu_share: float = 0.5,
        modelfile: str = "FROM /nowhere\n",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.version = version
        self.old = version == "0.5.7"
        self.tells_cached = version == "0.33.3"
        self.template = template
        self.held = list(held)
        self.registry = registry
        self.facts = facts or {}
        self.quant = quant
        self.gpu_share = gpu_share
        self.modelfile = modelfile
        self.loaded: dict[str, dict[str, Any]] = {}
        self.others: list[str] = []
        self.load_fault = ""
        self.pull_fault = ""
        self.loads: list[dict[str, Any]] = []
        self.unloads: list[str] = []
        self.pulls: list[str] = []

    # Questions

    def lookup(self, request: Received) -> bytes | None:
        body = json.loads(request.body) if request.body else {}
        match request.method, request.path:
            case "GET", "/api/version":
                return ok({"version": self.version})
            case "GET", "/api/tags":
                return ok({"models": [self._tag(name) for name in self.held]})
            case "GET", "/api/ps":
                return ok({"models": [self._running(name) for name in (*self.loaded, *self.others)]})
            case "POST", "/api/show":
                return self._show(body["model"])
            case "POST", "/api/pull":
                return self._pull(body["model"])
            case "POST", "/api/generate" if not body.get("prompt"):
                return self._load_or_unload(body)
            case "POST", "/api/generate" | "/api/chat":
                return None
        raise Refusal("404 Not Found", b"404 page not found")

    def _known(self, name: str) -> str:
        full = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
        if full not in self.held:
            raise Refusal("404 Not Found", {"error": f"model '{name}' not found"})
        return full

    def _tag(self, name: str) -> dict[str, Any]:
        return {"name": name, "model": name, "size": 1234, "digest": "0a8c26691023", "details": self._details(),
                "modified_at": "2026-11-04T14:56:49.277302595-07:00"}  # fmt: skip

    def _running(self, name: str) -> dict[str, Any]:
        size = 4_000_000_000
        context = {} if self.old else {"context_length": self.loaded.get(name, {}).get("num_ctx", 4096)}
        return {"name": name, "model": name, "size": size, "digest": "0a8c26691023", "details": self._details(),
                "expires_at": "2026-11-04T14:38:31.83753-07:00", "size_vram": round(size * self.gpu_share),
                **context}  # fmt: skip

    def _show(self, name: str) -> bytes:
        self._known(name)
        shown = {"modelfile": self.modelfile, "template": self.template, "details": self._details(),
                 "model_info": self._info()}  # fmt: skip
        return ok(shown if self.old else {**shown, "capabilities": ["completion", *self._thinks()]})

    def _thinks(self) -> tuple[str, ...]:
        return ("thinking",) if self.thinking else ()

    def _details(self) -> dict[str, Any]:
        return {"parent_model": "", "format": "gguf", "family": "qwen2", "families": ["qwen2"],
                "parameter_size": "7.6B", "quantization_level": self.quant}  # fmt: skip

    def _info(self) -> dict[str, Any]:
        return {"general.architecture": "qwen2", "general.parameter_count": 7615616512, "qwen2.block_count": 28,
                "qwen2.context_length": 131072, "tokenizer.ggml.merges": None, **self.facts}  # fmt: skip

    # Getting, loading, unloading

    def _pull(self, name: str) -> bytes:
        self.pulls.append(name)
        lines: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        if name not in self.registry:
            lines.append({"error": "pull model manifest: file does not exist"})
        else:
            part = {"status": f"pulling {DIGEST[7:19]}", "digest": DIGEST, "total": 900}
            lines += [part, {**part, "completed": 450}, {**part, "completed": 900}]
            lines.append({"status": "pulling 369ca498f347", "digest": "sha256:369c", "total": 100, "completed": 100})
            if self.pull_fault:
                lines.append({"error": self.pull_fault})
            else:
                ends = ("verifying sha256 digest", "writing manifest", "removing any unused layers", "success")
                lines += [{"status": status} for status in ends]
                self.held.append(name)
        return self._whole(lines)

    def _whole(self, lines: list[dict[str, Any]]) -> bytes:
        body = b"".join(self.framed(self.message(json.dumps(line).encode())) for line in lines)
        return self.head + body + b"0\r\n\r\n"

    def _load_or_unload(self, body: dict[str, Any]) -> bytes:
        name = self._known(body["model"])
        reply = {"model": body["model"], "created_at": AT, "response": "", "done": True}
        if body.get("keep_alive") == 0:
            self.unloads.append(name)
            self.loaded.pop(name, None)
            return ok({**reply, "done_reason": "unload"})
        if self.load_fault:
            raise Refusal("500 Internal Server Error", {"error": self.load_fault})
        self._check(body.get("options", {}))
        self.loads.append(body)
        self._take(name, body.get("options", {}))
        return ok({**reply, "done_reason": "load"})

    def _take(self, name: str, options: dict[str, Any]) -> int:
        """Load the model unless it is there with these options; the nanoseconds that it took."""
        wanted = {key: value for key, value in options.items() if key in ("num_ctx", "num_gpu", "num_thread")}
        if self.loaded.get(name) == wanted:
            return RESIDENT_NS
        self.loaded[name] = wanted
        self._held = []
        return LOAD_NS

    def _check(self, options: dict[str, Any]) -> None:
        for name, value in options.items():
            if not isinstance(value, self._types[name]) or isinstance(value, bool):
                raise Refusal("400 Bad Request", {"error": f'option "{name}" must be of type integer'})

    # Generation

    def generate(self, body: dict[str, Any]) -> Iterator[bytes]:
        self.bodies.append(body)
        name, options = self._known(body["model"]), body.get("options", {})
        self._check(options)
        if body.get("think") and not self._thinks() and not self.old:
            raise Refusal("400 Bad Request", {"error": f'"{body["model"]}" does not support thinking'})
        load_ns = self._take(name, options)
        context = options.get("num_ctx", 4096)
        if "messages" in body:
            texts = {message["role"]: message["content"] for message in body["messages"]}
            prompt, cached = self.prefill(texts.get("system", ""), texts["user"])
        else:
            prompt, cached = self.prefill("", body["prompt"])
        if prompt > context:
            prompt, cached = self._cut(prompt, context, body), 0
        return self._lines(body, load_ns, prompt, cached, options.get("num_predict", -1))

    def _cut(self, prompt: int, context: int, body: dict[str, Any]) -> int:
        """The tokens that are left: all that fit, or about half, for generation to have room; or a refusal."""
        if self.old:
            return context
        if body.get("truncate") is False:
            inner = {"error": {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": prompt,
                               "n_ctx": context, "message": f"request ({prompt} tokens) exceeds the available context "
                               f"size ({context} tokens), try increasing it"}}  # fmt: skip
            raise Refusal("400 Bad Request", {"error": json.dumps(inner)})
        return context - max((context - KEEP) // 2, 1)

    def _lines(self, body: dict[str, Any], load_ns: int, prompt: int, cached: int, limit: int) -> Iterator[bytes]:
        count, chat = self.length(limit), "messages" in body
        if self._thinks() and not self.old:
            yield self._line(body, chat)  # the opening tag, taken out of the text
        for text, thought in self.words(limit):
            yield self._line(body, chat, *self._piece(text, thought))
        full_hit = self.old and cached == prompt - 1
        known = {
            "total_duration": load_ns + round((prompt * PREFILL_S + (count - 1) * TOKEN_S) * NS),
            "load_duration": load_ns,
            "prompt_eval_count": 0 if full_hit else prompt,
            "prompt_eval_duration": round((prompt - cached) * PREFILL_S * NS),
            "eval_count": count,
            "eval_duration": round((count - 1) * TOKEN_S * NS),
        }
        ending: dict[str, Any] = {"done": True, "done_reason": "length" if count == limit else "stop"}
        ending |= {key: value for key, value in known.items() if value}
        if self.tells_cached:
            ending["prompt_eval_cached_count"] = cached
        if not chat and not body.get("raw"):
            ending["context"] = [1, 2, 3]
        yield self._line(body, chat, **ending)

    def _piece(self, text: str, thought: bool) -> tuple[str, str]:
        """(text, thinking) of one token."""
        if not self.old:
            return ("", text) if thought else (text, "")
        first, last = text == "word0 ", text == f"word{self.thinking} "
        return ("<think>" if thought and first else "</think>" if self.thinking and last else "") + text, ""

    def _line(self, body: dict[str, Any], chat: bool, text: str = "", thinking: str = "", **rest: Any) -> bytes:
        thought = {"thinking": thinking} if thinking else {}
        said = {"message": {"role": "assistant", "content": text, **thought}} if chat else {"response": text, **thought}
        line = {"model": body["model"], "created_at": AT, **said, "done": False, **rest}
        return self.message(json.dumps(line).encode())

    def message(self, data: bytes) -> bytes:
        return data + b"\n"

    def error(self, status: int, text: str) -> Any:
        return {"error": text}


class NoPs(FakeOllama):
    """One from before ``/api/ps``."""

    def lookup(self, request: Received) -> bytes | None:
        if request.path == "/api/ps":
            return sized(b"404 page not found", b"404 Not Found")
        return super().lookup(request)
