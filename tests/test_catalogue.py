"""The catalogue: names people type, and values that arithmetic and published logs bear out."""

from __future__ import annotations

import re

import pytest

from bakeoff.errors import UsageError
from bakeoff.models.catalogue import MODELS, R1_FAMILY, find
from bakeoff.models.weights import kv_bytes, parameters

# Parameters as model cards and llama.cpp's load logs count them, in billions.
PUBLISHED_PARAMETERS = {
    "r1-1.5b": 1.777,
    "r1-7b": 7.616,
    "r1-8b": 8.030,
    "r1-14b": 14.770,
    "r1-32b": 32.764,
    "r1-70b": 70.554,
    "r1-671b": 671.026,
    "r1-0528-qwen3-8b": 8.191,
    "smollm2-135m": 0.1345,
    "llama-2-7b": 6.738,
    "llama-2-13b": 13.016,
    "llama-2-70b": 68.977,
    "llama-3-8b": 8.030,
    "llama-3-70b": 70.554,
    "llama-3.1-8b": 8.030,
    "llama-3.1-70b": 70.554,
    "llama-3.2-1b": 1.236,
    "llama-3.2-3b": 3.213,
    "qwen2.5-0.5b": 0.494,
    "qwen2.5-1.5b": 1.544,
    "qwen2.5-3b": 3.086,
    "qwen2.5-7b": 7.616,
    "qwen2.5-14b": 14.770,
    "qwen2.5-32b": 32.764,
    "qwen2.5-72b": 72.706,
    "qwen3-0.6b": 0.596,
    "qwen3-1.7b": 1.721,
    "qwen3-4b": 4.022,
    "qwen3-8b": 8.191,
    "qwen3-14b": 14.768,
    "qwen3-32b": 32.762,
    "qwen3-30b-a3b": 30.532,
    "qwen3-235b-a22b": 235.094,
    "mistral-7b": 7.248,
    "mistral-small-24b": 23.572,
}


@pytest.mark.parametrize("short", MODELS)
def test_a_models_shape_gives_the_parameters_that_are_published(short: str) -> None:
    published = PUBLISHED_PARAMETERS[short]
    assert parameters(MODELS[short]) / 1e9 == pytest.approx(published, rel=5e-4)


@pytest.mark.parametrize("name", ["r1-7b", "R1-7B", " r1-7b ", "DeepSeek-R1-Distill-Qwen-7B",
                                  "deepseek-ai/deepseek-r1-distill-qwen-7b"])  # fmt: skip
def test_a_model_is_found_by_any_of_its_names_in_any_case(name: str) -> None:
    assert find(name).short == "r1-7b"


def test_a_misspelt_name_is_answered_with_the_likely_ones() -> None:
    with pytest.raises(UsageError, match=r"No model 'r1-7bb' in the catalogue. Did you mean r1-7b"):
        find("r1-7bb")


def test_a_name_like_no_other_is_answered_with_the_whole_list() -> None:
    with pytest.raises(UsageError, match=r"Known models: r1-1\.5b, .*mistral-small-24b"):
        find("zzz")


def test_the_r1_family_comes_first_and_from_small_to_large() -> None:
    sizes = [parameters(model) for model in R1_FAMILY]
    assert sizes == sorted(sizes)
    assert list(MODELS)[: len(R1_FAMILY)] == [model.short for model in R1_FAMILY]


@pytest.mark.parametrize("short", MODELS)
def test_every_model_names_its_repository_and_licence(short: str) -> None:
    assert re.fullmatch(r"[\w-]+/[\w.-]+", MODELS[short].source)
    assert MODELS[short].licence


@pytest.mark.parametrize(
    ("short", "per_token"),
    # Bytes of cache for each token at F16, as llama.cpp's load logs give them.
    [("r1-7b", 57_344), ("llama-2-7b", 524_288), ("llama-3.2-1b", 32_768), ("r1-70b", 327_680),
     ("r1-671b", 70_272)],
)  # fmt: skip
def test_the_cache_of_a_token_is_what_llama_cpp_reports(short: str, per_token: int) -> None:
    assert kv_bytes(find(short), 1) == per_token
