"""Shapes by their names, and texts of a stated length by the engine's own count, whatever its tokenizer does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.errors import PromptTooLong, UsageError
from bakeoff.workload.asked import Asked
from bakeoff.workload.shapes import KINDS, MOST_COUNTS, Fitted, Shape, fit_text, parse_shape
from bakeoff.workload.words import FEW_WORDS, Kind, another, draw, text_of, vocabulary

Tokenizer = Callable[[str], int]

TEMPLATE = 11


def plain(target: int, kind: Kind = "plain") -> Shape:
    return Shape("any", kind, target, 1)


def fitted(target: Shape, tokenizer: Callable[[str], int | None], seed: int = 3) -> tuple[Fitted, list[str]]:
    """The text found, and every text that the engine was asked about."""
    asked: list[str] = []

    async def count(text: str) -> int | None:
        asked.append(text)
        return tokenizer(text)

    return asyncio.run(fit_text(target, count, seed)), asked


def by_words(text: str) -> int:
    """As most tokenizers: a token a word, a mark or a double line break, and a template around them."""
    return TEMPLATE + len(text.replace(".", " .").replace("?", " ?").replace("\n\n", " | ").split())


def by_bytes(text: str) -> int:
    return TEMPLATE + len(text.encode())


def by_four_letters(text: str) -> int:
    """Words merge with their neighbours."""
    return 3 + math.ceil(len(text) / 4)


def by_halves(text: str) -> int:
    """Long words are two tokens or three."""
    return TEMPLATE + sum(math.ceil(len(word) / 3) for word in text.split())


@pytest.mark.parametrize(
    ("name", "kind", "prompt", "answer", "uniform"),
    [
        ("pp512", "plain", 512, 1, "pp512"),
        ("tg128", "plain", 1, 128, "tg128"),
        ("pp512+tg128", "plain", 512, 128, "pp512+tg128"),
        ("PP512 + TG128", "plain", 512, 128, "pp512+tg128"),
        ("tg128 @ d4096", "plain", 4096, 128, "tg128 @ d4096"),
        ("tg128@d4096", "plain", 4096, 128, "tg128 @ d4096"),
        ("tg128 @ d0", "plain", 1, 128, "tg128"),
        ("chat", "chat", *KINDS["chat"], "chat"),
        ("summary4096", "summary", 4096, KINDS["summary"][1], "summary4096"),
        ("code+tg64", "code", KINDS["code"][0], 64, "code+tg64"),
        ("long32768+tg512", "long", 32768, 512, "long32768+tg512"),
    ],
)
def test_a_shape_is_read_as_llama_bench_writes_it(name: str, kind: str, prompt: int, answer: int, uniform: str) -> None:
    assert parse_shape(name) == Shape(uniform, kind, prompt, answer)  # type: ignore[arg-type]
    assert parse_shape(uniform) == parse_shape(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Write pp512"),
        ("512", "Write pp512"),
        ("pp", "Write pp512"),
        ("tg", "Write pp512"),
        ("d4096", "Write pp512"),
        ("pp512+", "Write pp512"),
        ("pp-5", "Write pp512"),
        ("pp٣", "Write pp512"),
        ("sumary", "Did you mean summary?"),
        ("pp0", "0 tokens are no length"),
        ("tg128 @ d999999999", "no length"),
        ("chat @ d512", "write chat512"),
        ("pp512 @ d4096", "Take pp4608"),
        ("pp512+tg32 @ d4096", "'tg32 @ d4608'"),
        ("\x1b[31mpp", "'pp' is no shape"),
        ("x" * 5000, "Write pp512"),
    ],
)
def test_what_is_no_shape_is_told_what_would_have_been_one(name: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_shape(name)
    assert said in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("tokenizer", [by_words, by_bytes, by_four_letters, by_halves])
@pytest.mark.parametrize("kind", ["plain", "chat", "code", "summary", "long"])
def test_a_text_has_exactly_the_length_asked_for_with_whatever_the_template_adds(
    tokenizer: Tokenizer, kind: Kind
) -> None:
    for target in (250, 512, 4096):
        found, asked = fitted(plain(target, kind), tokenizer)
        assert (found.tokens, found.off, found.remark) == (target, 0, "")
        assert tokenizer(found.text) == target
        assert len(asked) == found.counted <= MOST_COUNTS


@given(target=st.integers(60, 5000), seed=st.integers(0, 2**31), weights=st.lists(st.integers(1, 3), min_size=8))
def test_where_words_are_one_to_three_tokens_each_the_text_found_is_exact(
    target: int, seed: int, weights: list[int]
) -> None:
    def tokenizer(text: str) -> int:
        return TEMPLATE + text.count(".") + text.count("?") + sum(weights[len(word) % 8] for word in text.split())

    found, _ = fitted(plain(target), tokenizer, seed)
    assert found.tokens == tokenizer(found.text)
    assert abs(found.off or 0) <= 1
    if 1 in weights[:8]:
        assert found.off == 0 or found.remark


def test_a_usual_tokenizer_is_asked_three_times_and_of_long_texts_once() -> None:
    found, asked = fitted(plain(8192), by_words)
    assert found.off == 0
    assert [len(text.split()) for text in asked] == [2, 66, 8192 - TEMPLATE]


def test_texts_asked_about_begin_alike_so_that_a_cache_can_help() -> None:
    _, asked = fitted(plain(4096), by_halves)
    shortest, *longer = sorted(asked, key=len)
    assert longer
    assert all(text.startswith(shortest) for text in longer)


def test_a_template_longer_than_the_target_is_said_and_not_hidden() -> None:
    found, asked = fitted(plain(1), by_words)
    assert len(asked) == 1
    assert found.off == TEMPLATE + 1
    assert found.remark == "No prompt of 1 tokens was found in 1 tries: the nearest has 13, 12 more."


def test_a_count_in_blocks_is_missed_by_less_than_a_block_and_says_by_how_much() -> None:
    found, _ = fitted(plain(500), lambda text: math.ceil(by_words(text) / 64) * 64)
    assert found.tokens == 512
    assert found.remark.endswith("the nearest has 512, 12 more.")


def test_where_the_server_cuts_the_prompt_the_search_stops_with_what_it_counted() -> None:
    found, asked = fitted(plain(8192), lambda text: min(2048, by_words(text)))
    assert found.tokens == 2048
    assert found.off == 2048 - 8192
    assert len(asked) <= 5
    assert max(len(text.split()) for text in asked) <= 8192


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=40), st.integers(1, 3000))
def test_an_engine_that_counts_anything_at_all_is_asked_a_bounded_number_of_times(
    counts: list[int], target: int
) -> None:
    rest = iter(counts)
    found, asked = fitted(plain(target), lambda text: next(rest, 7))
    assert len(asked) <= MOST_COUNTS
    assert found.tokens in {*counts, 7}


def test_an_engine_that_does_not_count_gets_a_word_a_token_and_no_claim() -> None:
    found, asked = fitted(plain(300), lambda text: None)
    assert (found.tokens, found.off, len(asked)) == (None, None, 1)
    assert len(found.text.split()) == 300
    assert "counts no prompt tokens" in found.remark


def test_a_refusal_by_the_engine_goes_through() -> None:
    def refuse(text: str) -> int:
        if len(text) > 200:
            raise PromptTooLong("too long")
        return by_words(text)

    with pytest.raises(PromptTooLong):
        fitted(plain(2000), refuse)


@pytest.mark.parametrize("kind", ["plain", "chat", "code", "summary", "long"])
@pytest.mark.parametrize("tokenizer", [by_words, by_bytes, by_four_letters, by_halves])
def test_another_text_has_the_same_length_and_begins_otherwise(kind: Kind, tokenizer: Tokenizer) -> None:
    found, _ = fitted(plain(512, kind), tokenizer)
    others = [another(found.text, kind, seed) for seed in range(40)]
    assert {tokenizer(text) for text in others} == {512}
    beginnings = {tuple(text.split()[:3]) for text in others}
    assert len(beginnings) == 40
    assert others == [another(found.text, kind, seed) for seed in range(40)]


def test_texts_too_short_to_be_reordered_get_other_words() -> None:
    text = text_of("plain", draw("plain", FEW_WORDS - 1, 1))
    others = {another(text, "plain", seed) for seed in range(40)}
    assert len(others) > 35
    assert {len(other.split()) for other in others} == {FEW_WORDS - 1}


@pytest.mark.parametrize("kind", ["plain", "code"])
def test_the_vocabulary_holds_each_word_once_and_no_sign(kind: Kind) -> None:
    words = vocabulary(kind)
    assert len(words) == len(set(words)) > 90
    assert all(word.isascii() and word.isalpha() for word in words)


def asked(**fields: object) -> Asked:
    return Asked(**fields)  # type: ignore[arg-type]


def test_lengths_are_sent_as_token_ids_where_the_engine_takes_them_else_as_a_text() -> None:
    assert asked(shape="pp512").ids_for(takes_ids=True, synthetic=False) == 512
    assert asked(shape="pp512").ids_for(takes_ids=False, synthetic=False) is None


def test_a_kind_of_text_is_sent_as_a_text_but_to_random_weights() -> None:
    assert asked(shape="chat").ids_for(takes_ids=True, synthetic=False) is None
    assert asked(shape="chat").ids_for(takes_ids=True, synthetic=True) == KINDS["chat"][0]


def test_token_ids_stand_in_for_a_text_that_random_weights_cannot_read() -> None:
    both = asked(prompt="Why?", prompt_tokens=40)
    assert both.ids_for(takes_ids=True, synthetic=True) == 40
    assert both.ids_for(takes_ids=True, synthetic=False) is None
    assert both.ids_for(takes_ids=False, synthetic=False) is None


@pytest.mark.parametrize(
    ("fields", "takes_ids", "synthetic", "said"),
    [
        ({"prompt": "Why?"}, True, True, "no real tokenizer"),
        ({"prompt_tokens": 5}, False, False, "takes no token ids"),
        ({"shape": "pp512"}, False, True, "takes no token ids"),
    ],
)
def test_what_an_engine_cannot_be_sent_is_a_sentence(
    fields: dict[str, object], takes_ids: bool, synthetic: bool, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        asked(**fields).ids_for(takes_ids=takes_ids, synthetic=synthetic)


@pytest.mark.parametrize(
    ("fields", "needed"),
    [({"shape": "pp512+tg128"}, 513), ({"prompt_tokens": 500}, 501), ({"prompt": "Why?"}, 2), ({}, 2)],
)
def test_a_prompt_and_an_answer_must_fit_the_context(fields: dict[str, object], needed: int) -> None:
    asked(**fields, max_tokens=1, context=needed).check_room()
    with pytest.raises(UsageError, match=f"set --context to {needed} or more"):
        asked(**fields, max_tokens=1, context=needed - 1).check_room()
