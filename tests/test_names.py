"""Short names of the R1 family are each engine's own names; whatever else is written goes as it is."""

from __future__ import annotations

import re

import pytest

from bakeoff.errors import UsageError
from bakeoff.models.catalogue import MODELS
from bakeoff.models.names import ENGINE_KINDS, elsewhere, engine_name, names_of

FAMILY = ("r1-1.5b", "r1-7b", "r1-8b", "r1-14b", "r1-32b", "r1-70b", "r1-671b", "r1-0528-qwen3-8b")

# As a list of the library's tags had them, and as the publishers' own pages and loaders spell them.
TAGS = {
    "r1-1.5b": "deepseek-r1:1.5b-qwen-distill-",
    "r1-7b": "deepseek-r1:7b-qwen-distill-",
    "r1-8b": "deepseek-r1:8b-llama-distill-",
    "r1-14b": "deepseek-r1:14b-qwen-distill-",
    "r1-32b": "deepseek-r1:32b-qwen-distill-",
    "r1-70b": "deepseek-r1:70b-llama-distill-",
    "r1-671b": "deepseek-r1:671b-",
    "r1-0528-qwen3-8b": "deepseek-r1:8b-0528-qwen3-",
}


@pytest.mark.parametrize("short", FAMILY)
@pytest.mark.parametrize(("quant", "ending"), [("q4_K_M", "q4_K_M"), ("Q8_0", "q8_0"), ("fp16", "fp16")])
def test_every_member_has_ollamas_three_long_tags(short: str, quant: str, ending: str) -> None:
    name = engine_name("ollama", short, quant)
    assert name.name == TAGS[short] + ending
    assert name.licence == MODELS[short].licence != ""


@pytest.mark.parametrize(
    ("engine", "model", "quant", "name", "file"),
    [
        ("vllm", "r1-7b", None, "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None),
        ("vllm", "r1-7b", "bf16", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None),
        ("vllm", "r1-7b", "fp16", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", None),
        ("vllm", "r1-32b", "awq", "casperhansen/deepseek-r1-distill-qwen-32b-awq", None),
        ("vllm", "r1-70b", "awq", "casperhansen/deepseek-r1-distill-llama-70b-awq", None),
        ("vllm", "r1-70b", "fp8", "RedHatAI/DeepSeek-R1-Distill-Llama-70B-FP8-dynamic", None),
        ("vllm", "r1-14b", "w4a16", "RedHatAI/DeepSeek-R1-Distill-Qwen-14B-quantized.w4a16", None),
        ("vllm", "r1-671b", None, "deepseek-ai/DeepSeek-R1", None),
        ("vllm", "r1-671b", "AWQ", "cognitivecomputations/DeepSeek-R1-AWQ", None),
        ("mlx", "R1-7B", None, "mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit", None),
        ("mlx", "r1-8b", "8bit", "mlx-community/DeepSeek-R1-Distill-Llama-8B-8bit", None),
        ("mlx", "r1-32b", "8bit", "mlx-community/DeepSeek-R1-Distill-Qwen-32B-MLX-8Bit", None),
        ("mlx", "r1-671b", None, "mlx-community/DeepSeek-R1-4bit", None),
        ("mlx", "r1-0528-qwen3-8b", "8bit", "mlx-community/DeepSeek-R1-0528-Qwen3-8B-8bit", None),
        ("llamacpp", "r1-7b", None, "unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF",
         "DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf"),
        ("llamacpp", "r1-70b", "Q8_0", "unsloth/DeepSeek-R1-Distill-Llama-70B-GGUF",
         "DeepSeek-R1-Distill-Llama-70B-Q8_0/DeepSeek-R1-Distill-Llama-70B-Q8_0-00001-of-00002.gguf"),
        ("llamacpp", "r1-671b", "q4-k-m", "unsloth/DeepSeek-R1-GGUF",
         "DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00001-of-00009.gguf"),
        ("llamacpp", "r1-0528-qwen3-8b", "Q8_0", "unsloth/DeepSeek-R1-0528-Qwen3-8B-GGUF",
         "DeepSeek-R1-0528-Qwen3-8B-Q8_0.gguf"),
    ],
)  # fmt: skip
def test_a_short_name_is_the_engines_own(engine: str, model: str, quant: str, name: str, file: str | None) -> None:
    found = engine_name(engine, model, quant)
    assert (found.name, found.file) == (name, file)


def test_r1_8b_is_the_llama_distill_and_never_the_short_tag_that_moved() -> None:
    tags = [name.name for names in map(names_of, FAMILY) for name in names["ollama"]]
    assert len(tags) == len(set(tags)) == 24
    assert all(re.search(r"-(q4_K_M|q8_0|fp16)$", tag) for tag in tags)
    assert [tag for tag in tags if ":8b-" in tag and "llama" in tag] == [
        name.name for name in names_of("r1-8b")["ollama"]
    ]


def test_every_name_is_read_back_from_how_it_is_written() -> None:
    for short in FAMILY:
        for engine, names in names_of(short).items():
            assert names, (short, engine)
            for name in names:
                written, _, rest = name.subject.partition(":")
                model, _, quant = rest.partition("@")
                assert engine_name(written, model, quant) == name


@pytest.mark.parametrize(
    ("engine", "model"),
    [("ollama", "deepseek-r1:7b"), ("ollama", "hf.co/unsloth/DeepSeek-R1-GGUF:Q4_K_M"), ("vllm", "Qwen/Qwen3-8B"),
     ("mlx", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"), ("vllm", "./folder"), ("openai", "gpt-5")],
)  # fmt: skip
def test_anything_else_goes_as_it_is(engine: str, model: str) -> None:
    found = engine_name(engine, model)
    assert (found.name, found.quant, found.architecture, found.subject) == (model, None, None, f"{engine}:{model}")


@pytest.mark.parametrize(
    ("engine", "model", "quant", "words"),
    [
        ("ollama", "r1-7b", "4bit", r"no 4bit of r1-7b for ollama\. It exists as mlx:r1-7b@4bit\. .*Q4_K_M, Q8_0, F16"),
        ("ollama", "r1-7b", "q5_K_M", r"It exists as llamacpp:r1-7b@Q5_K_M\."),
        ("mlx", "r1-7b", "q4_K_M", r"It exists as ollama:r1-7b@Q4_K_M and llamacpp:r1-7b@Q4_K_M\. For mlx: 3bit, 4bit"),
        ("llamacpp", "r1-671b", "awq", r"It exists as vllm:r1-671b@AWQ\."),
        ("vllm", "r1-7b", "q9", r"^There is no q9 of r1-7b for vllm\. For vllm: BF16, AWQ"),
        ("ollama", "qwen3:8b", "q8_0", r"@q8_0 goes with a short name, and qwen3:8b is none"),
        ("vllm", "deepseek-r1:7b-qwen-distill-q8_0", None, r"no Hugging Face repository .*ollama:r1-7b@Q8_0\."),
        ("mlx", "qwen3:8b", None, r"It looks like Ollama's: ollama:qwen3:8b\."),
        ("vllm", "r1-7b", "\x1b[31m" + "x" * 500, r"^There is no x{80} of r1-7b"),
    ],
)  # fmt: skip
def test_what_an_engine_does_not_have_is_told_with_where_it_is(
    engine: str, model: str, quant: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        engine_name(engine, model, quant)


@pytest.mark.parametrize(
    ("engine", "name", "subject"),
    [
        ("ollama", "mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit", "mlx:r1-7b@4bit"),
        ("ollama", "deepseek-ai/deepseek-r1-distill-llama-70b", "vllm:r1-70b@BF16"),
        ("ollama", "DeepSeek-R1-Distill-Qwen-14B-Q6_K.gguf", "llamacpp:r1-14b@Q6_K"),
        ("llamacpp", "deepseek-r1:8b-0528-qwen3-q4_K_M", "ollama:r1-0528-qwen3-8b@Q4_K_M"),
        ("llamacpp", "deepseek-r1:7b", "It looks like Ollama's: ollama:deepseek-r1:7b."),
        ("llamacpp", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "vllm:r1-7b@BF16"),
    ],
)
def test_another_engines_name_is_recognised(engine: str, name: str, subject: str) -> None:
    assert subject in elsewhere(engine, name)
    assert elsewhere(re.search(r"\b(ollama|vllm|mlx|llamacpp):", subject)[1], name) == ""  # type: ignore[index]
    assert elsewhere(engine, "something-else") == ""


def test_every_engine_has_every_member() -> None:
    assert all(set(names_of(short)) == set(ENGINE_KINDS) for short in FAMILY)
    assert names_of("llama-3-8b") == names_of("nothing") == {}
