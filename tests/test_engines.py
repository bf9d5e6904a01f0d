"""Every engine in the package, held to the one contract; then what each does in its own dialect."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import msgspec
import pytest
import trustme

from bakeoff.engines import transport
from bakeoff.engines.base import Description, Engine, Request, StreamEvent
from bakeoff.engines.contract import BEFORE_THE_FAULT, EngineContract, Stage, chunks_of, finished_of, request
from bakeoff.engines.lookup import get_json
from bakeoff.engines.ollama import Ollama
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.reply import Timeouts
from bakeoff.engines.scripted import Script, Scripted
from bakeoff.engines.wire_errors import error_text
from bakeoff.errors import ModelMissing, ServerRefused, ServerSilent, ServerUnreachable, UsageError
from tests.fake_ollama import FakeOllama
from tests.fakes import MODEL, FakeCloud, FakeLlamaServer, FakeMlx, FakeServer, FakeVllm
from tests.servers import Received, run, saying, serving, sized

Events = list[StreamEvent]
KEY = "sk-very-secret-0123456789"
OF_A_SERVER = ("unreachable", "no such model", "refused", "error in the stream", "broken", "cut", "ended early",
               "no stream", "silent")  # fmt: skip


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No server of this machine is met by chance."""
    for name in ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


class TestScripted(EngineContract):
    faults = ("unreachable", "no such model", "refused", "error in the stream", "cut", "silent", "crashed")

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        if fault == "no such model":
            yield Stage(Scripted("other"))
            return
        kind = {"error in the stream": "error", "unreachable": None}.get(fault, fault) if fault else None
        turn = {"thinking_tokens": 3, "fault": kind, "fault_after": BEFORE_THE_FAULT}
        start = fault if fault == "unreachable" else None
        yield Stage(Scripted("tiny", msgspec.convert({"turns": [turn], "start": start}, Script)))


class OfAServer(EngineContract):
    """An engine that attaches, before a fake server."""

    faults: ClassVar[tuple[str, ...]] = OF_A_SERVER

    def fake(self) -> FakeServer:
        raise NotImplementedError

    def engine(self, model: str, url: str) -> Engine:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _patient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch

    @asynccontextmanager
    async def staged(self, fault: str | None) -> AsyncIterator[Stage]:
        fake = self.fake()
        async with serving(fake) as (url, _):
            if fault == "unreachable":
                url = f"http://127.0.0.1:{closed_port()}"

            def arm() -> None:
                fake.fault = fault
                if fault == "silent":
                    self.patch.setattr(transport, "Timeouts", lambda: Timeouts(silence_s=0.3))

            yield Stage(self.engine("other" if fault == "no such model" else MODEL, url), arm, fake.idle)


class TestOllama(OfAServer):
    def fake(self) -> FakeServer:
        return FakeOllama(thinking=3)

    def engine(self, model: str, url: str) -> Engine:
        return Ollama(model, EngineOptions(url=url, context=1024))


class TestOllamaAsItWas(TestOllama):
    def fake(self) -> FakeServer:
        return FakeOllama(version="0.5.7", thinking=3)


class OfAChatServer(OfAServer):
    secrets: ClassVar = (KEY, KEY[:12])

    @pytest.fixture(autouse=True)
    def with_a_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def engine(self, model: str, url: str) -> Engine:
        return OpenAICompatible(model, url)


class TestLlamaServer(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeLlamaServer(thinking=3, key=KEY)


class TestVllm(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeVllm(thinking=3, key=KEY)


class TestVllmAsItWas(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeVllm(thinking=3, key=KEY, reasoning_field="reasoning_content")


class TestCloud(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeCloud(key=KEY)


class TestReasoningInTheCloud(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeCloud(reasons=True, thinking=3, key=KEY)


class TestMlx(OfAChatServer):
    faults = tuple(fault for fault in OF_A_SERVER if fault != "no such model")  # it would load any name

    def fake(self) -> FakeServer:
        return FakeMlx(stops_after=6, key=KEY)


def ask(fake: FakeServer, make: Callable[[str], Engine], *requests: Request) -> tuple[Description, list[Events]]:
    """Enter the engine that ``make`` makes for the fake's address, and take these streams whole."""

    async def main() -> tuple[Description, list[Events]]:
        async with serving(fake) as (url, _), make(url) as engine:
            return engine.describe(), [[event async for event in engine.stream(asked)] for asked in requests]

    return run(main())


def openai(url: str) -> Engine:
    return OpenAICompatible(MODEL, url)


def text_of(events: Events) -> str:
    return "".join(chunk.text for chunk in chunks_of(events))


def reasoning_of(events: Events) -> str:
    return "".join(chunk.reasoning for chunk in chunks_of(events))


def test_a_servers_own_names_cannot_fill_or_colour_the_screen() -> None:
    async def boast(received: Received, writer: asyncio.StreamWriter) -> None:
        models = [{"id": f"\x1b[31m{number}" + "x" * 10_000} for number in range(1000)]
        writer.write(sized(msgspec.json.encode({"data": models})))

    async def main() -> None:
        async with serving(boast) as (url, _), OpenAICompatible(MODEL, url):
            pass

    with pytest.raises(ModelMissing) as caught:
        run(main())
    assert len(str(caught.value)) < 1000
    assert "\x1b" not in str(caught.value)


# OpenAI-compatible servers


def test_llama_server_is_asked_for_everything_it_knows() -> None:
    fake = FakeLlamaServer()
    about, _ = ask(fake, openai, request("Why?", max_tokens=9, mark="k3"))
    assert fake.bodies[-1] == {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "k3 is the reference of this request."},
            {"role": "user", "content": "Why?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
        "max_tokens": 9,
        "ignore_eos": True,
        "cache_prompt": False,
        "timings_per_token": True,
        "temperature": 0.0,
        "seed": 0,
    }
    assert about.capabilities.exact_length
    assert (about.model.quant, about.model.parameters, about.version) == ("Q4_1", 134515008, "served by llamacpp")


def test_llama_servers_cache_is_off_unless_asked_for() -> None:
    warm = msgspec.structs.replace(request(), cache=True)
    _, streams = ask(FakeLlamaServer(), openai, request(), request(), warm)
    assert [finished_of(events).usage.cached_tokens for events in streams] == [0, 0, 13]


@pytest.mark.parametrize("fake", [FakeLlamaServer(stops_after=3), FakeVllm(stops_after=3)], ids=["llama", "vllm"])
def test_servers_that_obey_ignore_eos_generate_exactly_the_length_and_count_each_token(fake: FakeServer) -> None:
    about, (events,) = ask(fake, openai, request(max_tokens=9))
    assert about.capabilities.exact_length
    assert [chunk.tokens for chunk in chunks_of(events)] == list(range(1, 10))
    assert finished_of(events).usage.output_tokens == 9


def test_llama_servers_own_timings_are_kept() -> None:
    _, (events,) = ask(FakeLlamaServer(), openai, request("Why?", max_tokens=9))
    timings = finished_of(events).timings
    assert (timings.prefill_tokens, timings.prefill_s, timings.decode_s) == pytest.approx((12, 0.024, 0.08))


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_told_from_the_answer_under_either_name(field: str) -> None:
    _, (events,) = ask(FakeVllm(thinking=2, reasoning_field=field), openai, request(max_tokens=3))
    assert (reasoning_of(events), text_of(events)) == ("word0 word1 ", "word2 ")


def test_a_cloud_that_refuses_unknown_fields_is_asked_for_less() -> None:
    fake = FakeCloud()
    about, (events,) = ask(fake, openai, request())
    assert set(fake.bodies[-1]) == {
        "model",
        "messages",
        "stream",
        "stream_options",
        "max_tokens",
        "temperature",
        "seed",
    }
    assert not about.capabilities.exact_length
    assert finished_of(events).usage.output_tokens == 8


def test_reasoning_in_the_cloud_is_hidden_and_counted() -> None:
    fake = FakeCloud(reasons=True, thinking=3)
    _, (events,) = ask(fake, openai, request())
    assert set(fake.bodies[-1]) == {"model", "messages", "stream", "stream_options", "max_completion_tokens", "seed"}
    assert (reasoning_of(events), len(chunks_of(events))) == ("", 5)
    assert (finished_of(events).usage.output_tokens, finished_of(events).usage.reasoning_tokens) == (8, 3)


def test_mlx_is_reached_without_its_list_of_models_and_claims_no_exact_length() -> None:
    about, (events, again) = ask(FakeMlx(stops_after=5), openai, request(), request())
    assert not about.capabilities.exact_length
    assert (finished_of(events).finish, text_of(events)) == ("stop", "word0 word1 word2 word3 word4 ")
    assert finished_of(again).usage.cached_tokens == 13


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_the_address_may_name_the_version_or_not(suffix: str) -> None:
    _, (events,) = ask(FakeVllm(), lambda url: OpenAICompatible(MODEL, url + suffix), request())
    assert text_of(events)


def test_without_an_address_one_is_asked_for() -> None:
    with pytest.raises(UsageError, match="add --url"):
        OpenAICompatible(MODEL, None)


def website(received: Received, writer: asyncio.StreamWriter) -> Awaitable[None]:
    return saying(sized(b"<html>Welcome</html>", b"200 OK" if received.method == "GET" else b"405 Not Allowed"))(
        received, writer
    )


def test_a_website_is_not_taken_for_a_model_server() -> None:
    async def main() -> None:
        async with serving(website) as (url, _), OpenAICompatible(MODEL, url):
            pass

    with pytest.raises(ModelMissing, match=r"405: a web page\. Check the model's name and --url"):
        run(main())


def test_a_list_of_models_that_never_ends_is_given_up() -> None:
    async def drip(received: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def main() -> None:
        async with serving(drip) as (url, _):
            await get_json(f"{url}/v1/models", timeout_s=0.2)

    with pytest.raises(ServerSilent, match=r"did not answer within 0\.2 s"):
        run(main())


def test_a_private_authority_is_trusted_for_questions_and_streams_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main() -> Events:
        async with serving(FakeVllm(), context) as (url, _):
            with pytest.raises(ServerUnreachable, match=r"secure connection .*certificate verify failed.*certificate"):
                await get_json(url)
            with authority.cert_pem.tempfile() as pem:
                monkeypatch.setenv("SSL_CERT_FILE", pem)
                async with OpenAICompatible(MODEL, url) as engine:
                    return [event async for event in engine.stream(request())]

    assert text_of(run(main()))


# The key


def test_the_key_is_sent_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    about, (events,) = ask(FakeVllm(key=KEY), openai, request())
    assert KEY not in repr((about, events))


def test_a_wrong_key_is_told_by_the_name_of_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
    with pytest.raises(ServerRefused, match=r"401: Incorrect API key provided: \[key\]\..*Set OPENAI_API_KEY"):
        ask(FakeVllm(key=KEY), openai)


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-one sk-two", "sk-ключ"])
def test_what_no_header_can_carry_is_told_without_repeating_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UsageError, match="OPENAI_API_KEY holds more than a key") as caught:
        OpenAICompatible(MODEL, "http://127.0.0.1:1")
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(("body", "text"), [
    (b"<html><head><title>404 Not\n Found</title></head><body>nginx</body></html>", "a web page (404 Not Found)."),
    (b"\n<!DOCTYPE HTML>\n<html lang='en'><TITLE lang='en'>Router &amp; more</TITLE>", "a web page (Router & more)."),
    (b"<html><title></title>", "a web page."),
    (b"<title>no page</title>", "<title>no page</title>."),
])  # fmt: skip
def test_of_a_web_page_its_title_is_told(body: bytes, text: str) -> None:
    assert error_text(body) == text


@pytest.mark.parametrize("before", range(270, 301, 5))
def test_a_key_is_not_half_shown_where_a_long_error_is_cut(before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    text = error_text(msgspec.json.encode({"error": {"message": "x" * before + KEY + "y" * 300}}))
    assert KEY[:4] not in text


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
        return port
