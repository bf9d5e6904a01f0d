"""Model servers for tests: each speaks its dialect as the real one does, and fails when told to.

Their model answers with numbered words, one token each, and their times are invented. They keep the last
prompt as a real server's cache does, so that a repeated prompt shows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any, ClassVar

from tests.servers import Answer, Received, serving, sized

MODEL = "tiny"
FAULT_AFTER = 2
NS = 1_000_000_000
TOKEN_S, PREFILL_S = 0.01, 0.002


@contextmanager
def hosted(answer: Answer) -> Iterator[str]:
    """Serve from a thread of its own, for a client that runs its own event loop or process; give the address."""
    up: Future[tuple[str, Callable[[], object]]] = Future()

    async def main() -> None:
        end, loop = asyncio.Event(), asyncio.get_running_loop()
        async with serving(answer) as (url, _):
            up.set_result((url, lambda: loop.call_soon_threadsafe(end.set)))
            await end.wait()

    thread = Thread(target=lambda: asyncio.run(main()))
    thread.start()
    url, stop = up.result(timeout=10)
    try:
        yield url
    finally:
        stop()
        thread.join()


class Refusal(Exception):  # what the server says no with
    def __init__(self, status: str, body: Any) -> None:
        super().__init__(status)
        self.reply = sized(json.dumps(body).encode() if not isinstance(body, bytes) else body, status.encode())


class FakeServer:
    """What the fakes share: the model, its cache, the pace, the faults, and who is still being answered.

    ``stops_after`` is where the model ends by itself, ``thinking`` how many tokens of reasoning come first.
    ``fault`` strikes at the next generation; ``key`` is asked for where there is one, and every error repeats
    what was sent in its place, as careless servers do.
    """

    head: ClassVar[bytes] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

    limits: tuple[str | None, ...] = ()
    """The next generations are refused for the rate, each with this ``Retry-After``."""

    def __init__(self, *, stops_after: int = 1000, thinking: int = 0, key: str = "") -> None:
        self.stops_after = stops_after
        self.thinking = thinking
        self.key = key
        self.fault: str | None = None
        self.bodies: list[dict[str, Any]] = []
        self._held: list[str] = []
        self._shown_key = ""
        self._answering = 0
        self._changed = asyncio.Condition()

    async def idle(self) -> None:
        """Return when nothing is being generated."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._answering == 0)

    async def __call__(self, request: Received, writer: asyncio.StreamWriter) -> None:
        self._shown_key = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            if self.key and self._shown_key != self.key:
                raise Refusal("401 Unauthorized", self.error(401, f"Incorrect API key provided: {self._shown_key}."))
            plain = self.lookup(request)
            if plain is not None:
                writer.write(plain)
                return
            pieces = self.generate(json.loads(request.body))
            if self.limits:
                after, self.limits = self.limits[0], self.limits[1:]
                header = f"\r\nRetry-After: {after}" if after is not None else ""
                raise Refusal(f"429 Too Many Requests{header}", self.error(429, "Rate limit reached for requests"))
            if self.fault == "refused":
                raise Refusal("500 Internal Server Error", self.error(500, self.trouble()))
        except Refusal as refusal:
            writer.write(refusal.reply)
            return
        self._answering += 1
        try:
            await self._stream(pieces, writer)
        finally:
            self._answering -= 1
            async with self._changed:
                self._changed.notify_all()

    async def _stream(self, pieces: Iterator[bytes], writer: asyncio.StreamWriter) -> None:
        if self.fault == "no stream":
            writer.write(sized(b"<h1>Welcome</h1>"))
            return
        writer.write(self.head)
        tokens = 0
        for piece in pieces:
            if self.fault is not None and tokens == FAULT_AFTER:
                self._strike(writer)
                return
            tokens += self.is_token(piece)
            writer.write(self.framed(piece))
            await writer.drain()
            await asyncio.sleep(0)
        self._end(writer)

    def _strike(self, writer: asyncio.StreamWriter) -> None:
        if self.fault == "broken":
            writer.write(self.framed(self.message(b'{"choices": [{"delta": {"content": "wo')))
        if self.fault == "error in the stream":
            writer.write(self.framed(self.message(json.dumps(self.error(500, self.trouble())).encode())))
        if self.fault == "cut":
            writer.close()
        elif self.fault != "silent":
            self._end(writer)

    def _end(self, writer: asyncio.StreamWriter) -> None:
        if b"chunked" in self.head.lower():
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    def framed(self, piece: bytes) -> bytes:
        """One piece of the body, in HTTP's chunked coding where the head says so."""
        return b"%x\r\n%s\r\n" % (len(piece), piece) if b"chunked" in self.head.lower() else piece

    def trouble(self) -> str:
        return f"out of memory (key {self._shown_key})" if self._shown_key else "out of memory"

    def words(self, limit: int, ignore_eos: bool = False) -> Iterator[tuple[str, bool]]:
        """(token, whether it is reasoning), up to the limit or to where the model stops."""
        for number in range(self.length(limit, ignore_eos)):
            yield f"word{number} ", number < self.thinking

    def length(self, limit: int, ignore_eos: bool = False) -> int:
        return limit if ignore_eos else min(limit, self.stops_after)

    def prefill(self, system: str, prompt: str, *, cache: bool = True) -> tuple[int, int]:
        """(tokens of the templated prompt, how many of them the cache held); the prompt is kept."""
        tokens = ["<s>", "<system>", *system.split(), "<user>", *prompt.split(), "<assistant>"]
        same = next((i for i, (a, b) in enumerate(zip(tokens, self._held, strict=False)) if a != b), len(self._held))
        self._held = tokens
        return len(tokens), min(same, len(tokens) - 1) if cache else 0

    # What a dialect says.

    def lookup(self, request: Received) -> bytes | None:
        """The reply to anything but a generation; None where this is one. Raises Refusal."""
        raise NotImplementedError

    def generate(self, body: dict[str, Any]) -> Iterator[bytes]:
        """The pieces of the reply, after checking the request. Raises Refusal."""
        raise NotImplementedError

    def message(self, data: bytes) -> bytes:
        return b"data: " + data + b"\n\n"

    def is_token(self, piece: bytes) -> bool:
        return b"word" in piece

    def error(self, status: int, text: str) -> Any:
        return {"error": {"message": text, "type": "server_error", "param": None, "code": status}}


def ok(body: Any) -> bytes:
    """A JSON reply with status 200."""
    return sized(json.dumps(body).encode())


class FakeChat(FakeServer):
    """What the OpenAI dialects share: the list of models, chat completions as server-sent events."""

    owner: ClassVar[str] = ""
    reasoning_field: str = "reasoning_content"

    def lookup(self, request: Received) -> bytes | None:
        match request.method, request.path:
            case "GET", "/v1/models":
                return self.models()
            case "POST", "/v1/chat/completions":
                return None
        raise Refusal("404 Not Found", {"detail": "Not Found"})

    def models(self) -> bytes:
        return ok({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": self.owner}]})

    def generate(self, body: dict[str, Any]) -> Iterator[bytes]:
        self.bodies.append(body)
        self.check(body)
        return self.events(body)

    def check(self, body: dict[str, Any]) -> None:
        """Refuse what this server refuses."""
        if body["model"] != MODEL:
            raise Refusal("404 Not Found", self.error(404, f"The model `{body['model']}` does not exist."))

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        raise NotImplementedError

    def evaluate(self, body: dict[str, Any], *, cache: bool = True) -> tuple[int, int]:
        texts = {message["role"]: message["content"] for message in body["messages"]}
        return self.prefill(texts.get("system", ""), texts["user"], cache=cache)

    def event(self, *, choices: list[Any] | None = None, **fields: Any) -> bytes:
        data = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
                "choices": choices or [], **fields}  # fmt: skip
        return self.message(json.dumps(data).encode())

    def choice(self, finish: str | None = None, **delta: Any) -> list[Any]:
        return [{"index": 0, "delta": delta, "finish_reason": finish}]

    def piece(self, text: str, thought: bool) -> dict[str, str]:
        return {self.reasoning_field if thought else "content": text}

    def done(self) -> bytes:
        return self.message(b"[DONE]")


def usage(prompt: int, output: int, **details: Any) -> dict[str, Any]:
    """The usage object that all dialects share."""
    return {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output, **details}


class FakeLlamaServer(FakeChat):
    """llama-server: a role chunk with null content, timings in each chunk where asked, the cache as asked."""

    owner = "llamacpp"

    def __init__(self, *, name: str = MODEL, context: int = 1024, slots: int = 1, **common: Any) -> None:
        super().__init__(**common)
        self.name = name
        self.context = context
        self.slots = slots

    def lookup(self, request: Received) -> bytes | None:
        match request.path:
            case "/health":
                return ok({"status": "ok"})
            case "/slots":
                busy = [number < self._answering for number in range(self.slots)]
                return ok([{"id": number, "is_processing": is_busy} for number, is_busy in enumerate(busy)])
            case "/props":
                return ok({"default_generation_settings": {"n_ctx": self.context}, "total_slots": self.slots,
                           "model_alias": self.name, "build_info": "b11434-unknown",
                           "chat_template": "{% if add_generation_prompt %}<think>{% endif %}"})  # fmt: skip
        return super().lookup(request)

    def models(self) -> bytes:
        meta = {"vocab_type": 2, "n_vocab": 49152, "n_ctx_train": 8192, "n_params": 134515008, "size": 96576768,
                "ftype": "Q4_1"}  # fmt: skip
        card = {"id": self.name, "object": "model", "owned_by": self.owner, "meta": meta}
        return ok({"object": "list", "data": [card]})

    def check(self, body: dict[str, Any]) -> None:
        """A wrong name is answered, not refused."""

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit, ignore_eos = body["max_tokens"], body.get("ignore_eos", False)
        prompt, cached = self.evaluate(body, cache=body.get("cache_prompt", True))
        yield self.event(choices=self.choice(role="assistant", content=None))
        count = 0
        for count, (text, thought) in enumerate(self.words(limit, ignore_eos), 1):
            each = {"timings": self._timings(prompt, cached, count)} if body.get("timings_per_token") else {}
            yield self.event(choices=self.choice(**self.piece(text, thought)), **each)
        yield self.event(choices=self.choice("length" if count == limit else "stop"))
        whole = usage(prompt, count, prompt_tokens_details={"cached_tokens": cached})
        yield self.event(usage=whole, timings=self._timings(prompt, cached, count))
        yield self.done()

    def _timings(self, prompt: int, cached: int, count: int) -> dict[str, Any]:
        return {"cache_n": cached, "prompt_n": prompt - cached, "prompt_ms": (prompt - cached) * PREFILL_S * 1e3,
                "predicted_n": count, "predicted_ms": max(0.001, (count - 1) * TOKEN_S * 1e3)}  # fmt: skip


class FakeVllm(FakeChat):
    """vLLM: a role chunk with empty content, the finish on the last content chunk, usage with ``choices: []``."""

    owner = "vllm"

    def __init__(self, *, reasoning_field: str = "reasoning", **common: Any) -> None:
        super().__init__(**common)
        self.reasoning_field = reasoning_field

    def models(self) -> bytes:
        card = {"id": MODEL, "object": "model", "created": 1, "owned_by": self.owner, "root": MODEL, "parent": None,
                "max_model_len": 1024, "permission": []}  # fmt: skip
        return ok({"object": "list", "data": [card]})

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit, options = body["max_tokens"], body.get("stream_options", {})
        prompt, _ = self.evaluate(body)
        count, whole = 0, self.length(limit, body.get("ignore_eos", False))

        def so_far() -> dict[str, Any]:
            return {"usage": usage(prompt, count)} if options.get("continuous_usage_stats") else {}

        yield self.event(choices=self.choice(role="assistant", content=""), **so_far())
        for count, (text, thought) in enumerate(self.words(whole, ignore_eos=True), 1):
            finish = None if count < whole else "length" if whole == limit else "stop"
            yield self.event(choices=self.choice(finish, **self.piece(text, thought)), **so_far())
        if options.get("include_usage"):
            yield self.event(usage=usage(prompt, count))
        yield self.done()


class FakeCloud(FakeChat):
    """OpenAI's own service: what it does not know is refused; newer models want ``max_completion_tokens``.

    Reasoning is hidden and only counted. A limit that reasoning uses up is a refusal as well.
    """

    owner = "openai"
    _known: ClassVar[frozenset[str]] = frozenset(
        {
            "model",
            "messages",
            "stream",
            "stream_options",
            "max_tokens",
            "max_completion_tokens",
            "temperature",
            "seed",
            "top_p",
        }
    )

    def __init__(self, *, reasons: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self.reasons = reasons

    def check(self, body: dict[str, Any]) -> None:
        super().check(body)
        for name in body:
            if name not in self._known:
                self._refuse(f"Unrecognized request argument supplied: {name}")
        for name in body.get("stream_options", {}):
            if name != "include_usage":
                self._refuse(f"Unknown parameter: 'stream_options.{name}'.")
        if self.reasons and "max_tokens" in body:
            self._refuse(
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
        if self.reasons and body.get("temperature", 1) != 1:
            self._refuse("Unsupported value: 'temperature' does not support 0.0 with this model.")
        if self.reasons and "top_p" in body:
            self._refuse("Unsupported parameter: 'top_p' is not supported with this model.")
        if self.reasons and body["max_completion_tokens"] < 2:
            self._refuse("Could not finish the message because max_tokens or model output limit was reached.")

    def _refuse(self, text: str) -> None:
        error = {"message": text, "type": "invalid_request_error", "param": None, "code": None}
        raise Refusal("400 Bad Request", {"error": error})

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit = body.get("max_tokens") or body["max_completion_tokens"]
        prompt, _ = self.evaluate(body)
        yield self.event(choices=self.choice(role="assistant", content="", refusal=None), usage=None)
        count = self.length(limit)
        for text, thought in self.words(limit):
            if not thought:
                yield self.event(choices=self.choice(content=text), usage=None)
        yield self.event(choices=self.choice("length" if count == limit else "stop"), usage=None)
        details = {"prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                   "completion_tokens_details": {"reasoning_tokens": min(self.thinking, count)}}  # fmt: skip
        yield self.event(usage=usage(prompt, count, **details))
        yield self.done()


class FakeMlx(FakeChat):
    """``mlx_lm.server``: HTTP/1.0, comment lines, content from the first chunk on, no timings, no ``ignore_eos``.

    Without a Hugging Face cache folder its list of models breaks off after the head.
    """

    head = b"HTTP/1.0 200 OK\r\nContent-type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"
    reasoning_field = "reasoning"

    def models(self) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-type: application/json\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"

    def check(self, body: dict[str, Any]) -> None:
        """Any name is taken for one to load."""

    def events(self, body: dict[str, Any]) -> Iterator[bytes]:
        limit = body["max_tokens"]
        prompt, cached = self.evaluate(body)
        yield b": keepalive %d/%d\n\n" % (prompt - 1, prompt)
        count = self.length(limit)
        for text, thought in self.words(limit):
            content, reasoning = ("", text) if thought else (text, "")
            yield self.event(choices=self.choice(role="assistant", content=content, reasoning=reasoning, tool_calls=[]))
        finish = "length" if count == limit else "stop"
        yield self.event(choices=self.choice(finish, role="assistant", content="", reasoning="", tool_calls=[]))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield self.event(usage=usage(prompt, count, prompt_tokens_details={"cached_tokens": cached}))
        yield self.done()
