"""What an OpenAI-compatible server does is found out by asking it, and kept."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from bakeoff.engines.base import Description, StreamEvent
from bakeoff.engines.contract import chunks_of, finished_of, request
from bakeoff.engines.dialect import EXTRAS, Dialect
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.errors import BrokenReply, EngineError, ModelMissing
from tests.fake_openai import FakeLmStudio, FakeSglang, strict
from tests.fakes import MODEL, FakeChat, FakeCloud, FakeLlamaServer, FakeMlx, FakeServer, FakeVllm, Refusal
from tests.servers import Received, run, saying, serving, sized
from tests.test_engines import OfAChatServer


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


class TestSglang(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeSglang(thinking=3)


class TestLmStudio(OfAChatServer):
    def fake(self) -> FakeServer:
        return FakeLmStudio(thinking=3)


def entered(fake: FakeServer, model: str = MODEL) -> tuple[Description, list[StreamEvent]]:
    async def main() -> tuple[Description, list[StreamEvent]]:
        async with serving(fake) as (url, _), OpenAICompatible(model, url) as engine:
            return engine.describe(), [event async for event in engine.stream(request(max_tokens=20))]

    return run(main())


def settings(fake: FakeServer) -> dict[str, Any]:
    return dict(entered(fake)[0].settings)


# What is found


@pytest.mark.parametrize(
    ("fake", "obedience", "exact"),
    [
        (FakeLlamaServer(stops_after=3), "obeyed", True),
        (FakeVllm(stops_after=3), "obeyed", True),
        (FakeSglang(stops_after=3), "obeyed", True),
        (FakeVllm(), "not proven", True),
        (FakeMlx(stops_after=3), "ignored", False),
        (FakeMlx(), "not proven", False),
        (FakeLmStudio(stops_after=3), "ignored", False),
        (FakeCloud(stops_after=3), "refused", False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, FakeServer) else str(value),
)
def test_whether_an_answer_goes_on_when_told_to_is_seen_on_one_that_would_end_at_once(
    fake: FakeServer, obedience: str, exact: bool
) -> None:
    about, events = entered(fake)
    assert about.settings["ignore_eos"] == obedience
    assert about.capabilities.exact_length is exact
    assert (finished_of(events).finish == "length") is (exact or fake.stops_after > 20)


def test_a_server_known_to_obey_is_not_believed_where_it_was_seen_not_to() -> None:
    fake = FakeVllm(stops_after=3)
    fake.length = lambda limit, ignore_eos=False: min(limit, 3)  # type: ignore[method-assign]
    assert entered(fake)[0].capabilities.exact_length is False


def test_what_llama_server_tells_is_kept() -> None:
    assert settings(FakeLlamaServer(stops_after=3)).items() >= {
        "limit": "max_tokens", "usage": True, "counts_each_chunk": True, "cached_tokens": True, "timings": True,
        "temperature": True, "seed": True, "reasoning_field": None,
    }.items()  # fmt: skip


def test_what_a_cloud_refuses_is_kept() -> None:
    assert settings(FakeCloud(reasons=True, thinking=3)).items() >= {
        "limit": "max_completion_tokens", "ignore_eos": "refused", "usage": True, "counts_each_chunk": False,
        "cached_tokens": True, "timings": False, "temperature": False, "seed": True, "logprobs": False,
    }.items()  # fmt: skip


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_the_name_of_the_reasoning_field_is_kept(field: str) -> None:
    assert settings(FakeVllm(thinking=2, reasoning_field=field))["reasoning_field"] == field


@pytest.mark.parametrize(("report", "told"), [(True, 13), (False, None)])
def test_sglang_tells_of_its_cache_only_where_it_was_started_to(report: bool, told: int | None) -> None:
    async def main() -> tuple[Description, StreamEvent]:
        async with serving(FakeSglang(cache_report=report)) as (url, _), OpenAICompatible(MODEL, url) as engine:
            async for _ in engine.stream(request()):
                pass
            return engine.describe(), [event async for event in engine.stream(request())][-1]

    about, last = run(main())
    assert about.settings["cached_tokens"] is report
    assert about.capabilities.reports_cache is report
    assert finished_of([last]).usage.cached_tokens == told


def test_sglangs_reasoning_tokens_stand_beside_its_other_counts() -> None:
    about, events = entered(FakeSglang(thinking=3))
    assert finished_of(events).usage.reasoning_tokens == 3
    assert [chunk.tokens for chunk in chunks_of(events)] == list(range(1, 21))
    assert (about.version, about.model.context_trained) == ("served by sglang", 32768)


class WithLogprobs(FakeVllm):
    def event(self, *, choices: list[Any] | None = None, **fields: Any) -> bytes:
        for choice in choices or ():
            choice["logprobs"] = {"content": []} if self.bodies[-1].get("logprobs") else None
        return super().event(choices=choices, **fields)


def test_logprobs_are_asked_for_once_and_never_in_a_trial() -> None:
    fake = WithLogprobs(stops_after=3)
    assert settings(fake)["logprobs"] is True
    assert ["logprobs" in body for body in fake.bodies] == [False, True, False]
    assert settings(FakeVllm())["logprobs"] is False


def test_lm_studios_own_list_says_what_openais_leaves_out() -> None:
    about, _ = entered(FakeLmStudio())
    assert about.version == "served by LM Studio"
    assert msgspec.structs.astuple(about.model)[:3] == (MODEL, "Q4_K_M", 1234567)
    assert (about.model.architecture, about.model.context_trained) == ("qwen2", 131072)


def test_an_lm_studio_without_that_list_is_measured_all_the_same() -> None:
    about, events = entered(FakeLmStudio(old=True))
    assert (about.model.name, about.model.quant) == (MODEL, None)
    assert len(chunks_of(events)) == 20


def test_mlx_lm_servers_own_name_for_its_model_need_not_be_listed() -> None:
    class Listing(FakeMlx):
        models = FakeChat.models

    about, _ = entered(Listing(), "default_model")
    assert about.model.name == "default_model"
    with pytest.raises(ModelMissing, match="has no model 'other'"):
        entered(Listing(), "other")


# What is left out after a refusal


@pytest.mark.parametrize(
    ("refusal", "lost"),
    [
        ("Unrecognized request argument supplied: ignore_eos", {"ignore_eos"}),
        ("Unknown parameter: 'stream_options.continuous_usage_stats'.", {"continuous_usage_stats"}),
        ("stream_options: Extra inputs are not permitted", {"stream_options"}),
        (
            "[{'type': 'extra_forbidden', 'loc': ('body', 'cache_prompt')}, {'loc': ('body', 'timings_per_token')}]",
            {"cache_prompt", "timings_per_token"},
        ),
        (
            "'temperature' does not support 0.0 with this model. Only the default (1) value is supported.",
            {"temperature"},
        ),
        ("Bad request.", set(EXTRAS)),
    ],
)
def test_what_is_named_is_left_out_and_nothing_else(refusal: str, lost: set[str]) -> None:
    narrowed = Dialect().narrowed(refusal)
    assert narrowed is not None
    assert Dialect().fields - narrowed.fields == lost
    assert narrowed.limit == "max_tokens"


def test_the_newer_limit_is_taken_where_the_older_is_named() -> None:
    text = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    narrowed = Dialect().narrowed(text)
    assert narrowed is not None
    assert (narrowed.limit, narrowed.fields) == ("max_completion_tokens", Dialect().fields)
    assert narrowed.without(*EXTRAS).narrowed("max_tokens or model output limit was reached") is None


@pytest.mark.parametrize("refusal", ["", "Bad request.", "ignore_eos temperature seed", "max_tokens"])
def test_leaving_out_comes_to_an_end(refusal: str) -> None:
    steps, dialect = 0, Dialect()
    while (narrower := dialect.narrowed(refusal)) is not None:
        steps, dialect = steps + 1, narrower
    assert 0 < steps <= len(Dialect().fields) + 1


class Strict(FakeVllm):
    """Forbids what it does not know: ``timings_per_token`` alone is unknown to it."""

    def check(self, body: dict[str, Any]) -> None:
        super().check(body)
        refusal = strict(body, frozenset(body) - {"timings_per_token"})
        if refusal is not None:
            raise Refusal("422 Unprocessable Entity", refusal)


def test_one_unknown_field_costs_no_other() -> None:
    about, _ = entered(Strict(stops_after=3))
    assert about.settings["ignore_eos"] == "obeyed"
    assert about.settings["counts_each_chunk"] is True


# Another service on the port


@pytest.mark.parametrize("status", [b"404 Not Found", b"405 Not Allowed", b"501 Not Implemented"])
def test_a_service_that_does_not_know_the_question_is_told_as_such(status: bytes) -> None:
    async def main() -> None:
        answer = saying(sized(b"<html>Welcome</html>", status))
        async with serving(answer) as (url, _), OpenAICompatible(MODEL, url):
            pass

    with pytest.raises(ModelMissing, match=r": a web page\. Check the model's name and --url\.$"):
        run(main())


async def page(received: Received, writer: asyncio.StreamWriter) -> None:
    await saying(sized(b"<html>Welcome</html>"))(received, writer)


async def other_json(received: Received, writer: asyncio.StreamWriter) -> None:
    await saying(sized(b'{"status": "up"}'))(received, writer)


@pytest.mark.parametrize("answer", [page, other_json])
def test_a_service_that_answers_anything_is_not_taken_for_a_model_server(answer: Any) -> None:
    async def main() -> None:
        async with serving(answer) as (url, _), OpenAICompatible(MODEL, url):
            pass

    with pytest.raises(BrokenReply, match=r"answers, but not as an OpenAI-compatible server: .* Check --url\."):
        run(main())


@asynccontextmanager
async def speaking(words: bytes) -> Any:
    """A service that is not HTTP: it says this to whoever connects, and closes."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"-ERR unknown command\r\n", b"220 mail ESMTP\r\n", b""])
def test_what_is_no_web_service_at_all_is_told(words: bytes) -> None:
    async def main() -> None:
        async with speaking(words) as url, OpenAICompatible(MODEL, url):
            pass

    with pytest.raises(EngineError, match=r"answers, but not as an OpenAI-compatible server: .* Check --url\."):
        run(main())
