"""What an engine is sent for an answer: sampling as asked for and nothing beside it, to where the model ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from bakeoff.engines.base import Engine, Prompt, Request
from bakeoff.engines.llama_attached import AttachedLlama
from bakeoff.engines.mlx_lines import as_message
from bakeoff.engines.ollama import Ollama
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_serve import Served
from bakeoff.results.records import Model
from tests.fake_ollama import FakeOllama
from tests.fake_vllm import FakeVllmServer
from tests.fakes import MODEL, FakeCloud, FakeLlamaServer, FakeServer, FakeVllm
from tests.test_engines import ask

ANSWER = Request(
    prompt=Prompt(text="What is 6 × 7?"), max_tokens=9, context=1024, temperature=0.6, top_p=0.95, to_the_limit=False
)


def llama(url: str) -> Engine:
    return AttachedLlama(MODEL, url, opens_thinking=lambda _: None)


def vllm(url: str) -> Engine:
    return Vllm(Served(name=MODEL, source=MODEL), Model(name=MODEL), EngineOptions(url=url))


def openai(url: str) -> Engine:
    return OpenAICompatible(MODEL, url)


def ollama(url: str) -> Engine:
    return Ollama(MODEL, EngineOptions(url=url))


def sent(fake: FakeServer, engine: Callable[[str], Engine], request: Request) -> dict[str, Any]:
    """The fields of the request as the server got them, options of Ollama's among the others."""
    ask(fake, engine, request)
    body: dict[str, Any] = dict(fake.bodies[-1])
    options: dict[str, Any] = body.pop("options", {})
    return body | options


NUCLEUS: list[tuple[Callable[[], FakeServer], Callable[[str], Engine], dict[str, float]]] = [
    (FakeLlamaServer, llama, {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}),
    (FakeOllama, ollama, {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0}),
    (FakeVllmServer, vllm, {"top_k": -1, "min_p": 0.0}),
    (FakeVllm, openai, {}),
]


@pytest.mark.parametrize(("fake", "engine", "off"), NUCLEUS)
def test_a_top_p_is_sent_and_other_cuts_are_switched_off(
    fake: Callable[[], FakeServer], engine: Callable[[str], Engine], off: dict[str, float]
) -> None:
    body = sent(fake(), engine, ANSWER)
    assert body.items() >= {"temperature": 0.6, "top_p": 0.95, **off}.items()


@pytest.mark.parametrize(("fake", "engine", "off"), NUCLEUS)
def test_without_a_top_p_sampling_is_left_to_the_engine(
    fake: Callable[[], FakeServer], engine: Callable[[str], Engine], off: dict[str, float]
) -> None:
    assert not {"top_p", *off} & set(sent(fake(), engine, structs.replace(ANSWER, top_p=None)))


@pytest.mark.parametrize(("fake", "engine", "off"), NUCLEUS)
def test_an_answer_may_end_where_the_model_ends_it(
    fake: Callable[[], FakeServer], engine: Callable[[str], Engine], off: dict[str, float]
) -> None:
    body = sent(fake(), engine, ANSWER)
    assert not body.get("ignore_eos", False)
    assert "min_tokens" not in body


def test_the_child_of_mlx_is_told_the_same() -> None:
    message = as_message(1, ANSWER)
    assert (message["temperature"], message["top_p"], message["ignore_eos"]) == (0.6, 0.95, False)
    assert as_message(1, structs.replace(ANSWER, to_the_limit=True))["ignore_eos"] is True


def test_no_system_message_is_sent() -> None:
    assert sent(FakeVllm(), openai, ANSWER)["messages"] == [{"role": "user", "content": "What is 6 × 7?"}]


def test_a_cloud_that_takes_no_sampling_is_sent_none_and_says_so() -> None:
    fake = FakeCloud(reasons=True)
    about, _ = ask(fake, openai, ANSWER)
    assert not {"temperature", "top_p"} & set(fake.bodies[-1])
    assert (about.settings["temperature"], about.settings["top_p"]) == (False, False)
