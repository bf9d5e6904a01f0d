"""What each engine calls the weights of the R1 family.

Read in November 2026 in stored copies of: the tags of ollama.com/library/deepseek-r1; Xinference's list of models
(GGUF of unsloth, AWQ of casperhansen and cognitivecomputations, mlx-community, QuantTrio); Red Hat AI's model cards
(FP8, w4a16, w8a8); and, for R1-0528-Qwen3-8B, projects that load stelterlab's and unsloth's files. Names can change
at their hosts, so an engine that is asked for one still has to say whether it has it.

Ollama's short tags move: ``deepseek-r1:8b`` has come to mean R1-0528-Qwen3-8B. Only long tags are given out here.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bakeoff.errors import UsageError
from bakeoff.models.architecture import Architecture
from bakeoff.models.catalogue import MODELS
from bakeoff.units import plain_text

EngineKind = Literal["ollama", "llamacpp", "vllm", "mlx"]
ENGINE_KINDS: tuple[EngineKind, ...] = ("ollama", "llamacpp", "vllm", "mlx")
ENGINE_WORDS: dict[str, str] = {"ollama": "Ollama", "llamacpp": "llama.cpp", "vllm": "vLLM", "mlx": "MLX"}
"""As people write them."""

_DEFAULT: dict[EngineKind, str] = {"ollama": "Q4_K_M", "llamacpp": "Q4_K_M", "vllm": "BF16", "mlx": "4bit"}
_ALIASES = {
    "FP16": "F16",
    "Q8": "Q8_0",
    "Q6": "Q6_K",
    "Q5_K": "Q5_K_M",
    "Q4_K": "Q4_K_M",
    "Q3_K": "Q3_K_M",
    "W4A16": "GPTQ",
    "INT4": "GPTQ",
    "INT8": "W8A8",
}
_HALF = {"vllm": "BF16", "mlx": "BF16"}
"""Where the half-precision weights are published as bfloat16 and F16 is asked for."""


class EngineName(Struct, frozen=True, kw_only=True):
    """One model at one quantization as one engine knows it.

    ``name`` is what the engine takes: Ollama's tag, a Hugging Face repository, for llama.cpp the repository of
    ``file``. ``architecture`` is the catalogue's, None for a name that goes to the engine as it is.
    """

    engine: str
    name: str
    quant: str | None = None
    file: str | None = None
    licence: str | None = None
    architecture: Architecture | None = None

    @property
    def subject(self) -> str:
        """As one writes it to Bakeoff."""
        if self.architecture is None:
            return f"{self.engine}:{self.name}"
        return f"{self.engine}:{self.architecture.short}@{self.quant}"


class _Names(Struct, frozen=True, kw_only=True):
    """One model's names: quantization to name, by engine; a GGUF name is ``REPOSITORY:FILE``."""

    ollama: dict[str, str]
    llamacpp: dict[str, str]
    vllm: dict[str, str]
    mlx: dict[str, str]


def _ollama(stem: str) -> dict[str, str]:
    quants = {"Q4_K_M": "q4_K_M", "Q8_0": "q8_0", "F16": "fp16"}
    return {quant: f"deepseek-r1:{stem}-{tag}" for quant, tag in quants.items()}


def _gguf(stem: str, quants: str, **odd: str) -> dict[str, str]:
    """unsloth's files; ``odd`` are the paths of those that are split or lie in a folder."""
    files = {quant: f"{stem}-{quant}.gguf" for quant in quants.split()} | odd
    return {quant: f"unsloth/{stem}-GGUF:{file}" for quant, file in files.items()}


def _mlx(stem: str, quants: str) -> dict[str, str]:
    return {quant: f"mlx-community/{stem}-{quant}" for quant in quants.split()}


def _vllm(stem: str, quantized: dict[str, str], native: str = "BF16") -> dict[str, str]:
    return {native: f"deepseek-ai/{stem}"} | quantized


def _red_hat(stem: str) -> dict[str, str]:
    base = f"RedHatAI/{stem}"
    return {"FP8": f"{base}-FP8-dynamic", "W8A8": f"{base}-quantized.w8a8", "GPTQ": f"{base}-quantized.w4a16"}


_K_QUANTS = "Q2_K Q3_K_M Q4_K_M Q5_K_M Q6_K Q8_0"
_MLX_BITS = "3bit 4bit 6bit 8bit"


def _distill(base: str, size: str) -> _Names:
    """A distill of up to 32B, which all publishers name alike, but for one of MLX's."""
    stem = f"DeepSeek-R1-Distill-{base}-{size}"
    return _Names(
        ollama=_ollama(f"{size.lower()}-{base.lower()}-distill"),
        llamacpp=_gguf(stem, _K_QUANTS if size == "1.5B" else f"{_K_QUANTS} F16"),
        vllm=_vllm(stem, {"AWQ": f"casperhansen/{stem.lower()}-awq"} | _red_hat(stem)),
        mlx=_mlx(stem, f"{_MLX_BITS} bf16") | ({"8bit": f"mlx-community/{stem}-MLX-8Bit"} if size == "32B" else {}),
    )


_LARGE = "DeepSeek-R1-Distill-Llama-70B"
_QWEN3 = "DeepSeek-R1-0528-Qwen3-8B"

_NAMES: dict[str, _Names] = {
    "r1-1.5b": _distill("Qwen", "1.5B"),
    "r1-7b": _distill("Qwen", "7B"),
    "r1-8b": _distill("Llama", "8B"),
    "r1-14b": _distill("Qwen", "14B"),
    "r1-32b": _distill("Qwen", "32B"),
    "r1-70b": _Names(
        ollama=_ollama("70b-llama-distill"),
        llamacpp=_gguf(_LARGE, "Q4_K_M Q5_K_M Q6_K", Q8_0=f"{_LARGE}-Q8_0/{_LARGE}-Q8_0-00001-of-00002.gguf"),
        vllm=_vllm(_LARGE, {"AWQ": f"casperhansen/{_LARGE.lower()}-awq"} | _red_hat(_LARGE)),
        mlx=_mlx(_LARGE, _MLX_BITS),
    ),
    "r1-671b": _Names(
        ollama=_ollama("671b"),
        llamacpp=_gguf("DeepSeek-R1", "", Q4_K_M="DeepSeek-R1-Q4_K_M/DeepSeek-R1-Q4_K_M-00001-of-00009.gguf"),
        vllm=_vllm("DeepSeek-R1", {"AWQ": "cognitivecomputations/DeepSeek-R1-AWQ"}, native="FP8"),
        mlx=_mlx("DeepSeek-R1", "2bit 3bit 4bit"),
    ),
    "r1-0528-qwen3-8b": _Names(
        ollama=_ollama("8b-0528-qwen3"),
        llamacpp=_gguf(_QWEN3, "Q4_K_M Q5_K_M Q8_0"),
        vllm=_vllm(
            _QWEN3, {"AWQ": f"stelterlab/{_QWEN3}-AWQ", "GPTQ": f"QuantTrio/{_QWEN3}-GPTQ-Int4-Int8Mix"}
        ),
        mlx=_mlx(_QWEN3, "4bit 6bit 8bit bf16"),
    ),
}  # fmt: skip


def names_of(model: str) -> dict[str, tuple[EngineName, ...]]:
    """Every name of a model of the R1 family, by engine; empty for other models."""
    arch = _known(model)
    if arch is None:
        return {}
    return {
        engine: tuple(_made(engine, arch, quant, name) for quant, name in _table(arch, engine).items())
        for engine in ENGINE_KINDS
    }


def engine_name(engine: str, model: str, quant: str | None = None) -> EngineName:
    """What the engine calls a model: of the R1 family by the table, anything else as it is.

    Without ``quant``: Q4_K_M, for vLLM the weights as they were published, for MLX 4 bit. Raises UsageError where
    that engine has no such quantization (the sentence says which has), or where it can have no such name.
    """
    kind = next((known for known in ENGINE_KINDS if known == engine), None)
    arch = _known(model)
    if kind is None or arch is None:
        _check_as_it_is(engine, model, quant)
        return EngineName(engine=engine, name=model)
    table = _table(arch, kind)
    wanted = _in_table(table, kind, quant)
    if wanted is None:
        raise UsageError(_not_there(arch, kind, quant or "", table))
    return _made(kind, arch, wanted, table[wanted])


def elsewhere(engine: str, name: str) -> str:
    """Where a name that this engine does not have is known to exist, as a sentence; empty where nobody knows.

    A GGUF repository or file is llama.cpp's, a tag Ollama's, and so on.
    """
    wanted = name.strip().lower()
    for short in _NAMES:
        for other, names in names_of(short).items():
            for known in names:
                file = (known.file or "").rpartition("/")[2]
                if other != engine and wanted in (known.name.lower(), file.lower()):
                    return f"It is the name that {other} has for it: {known.subject}."
    if engine != "ollama" and ":" in name and "/" not in name:
        return f"It looks like Ollama's: ollama:{_short(name)}."
    return ""


def _check_as_it_is(engine: str, model: str, quant: str | None) -> None:
    if quant is not None:
        raise UsageError(
            f"@{_short(quant)} goes with a short name, and {_short(model)} is none: "
            f"write the name that the engine has for it. Short names: {', '.join(_NAMES)}."
        )
    if engine in ("vllm", "mlx") and ":" in model and "/" not in model:
        raise UsageError(f"{_short(model)} is no Hugging Face repository and no folder. {elsewhere(engine, model)}")


def _known(model: str) -> Architecture | None:
    """The R1 family by its short names, in any case. Full names are some engine's own: they go as they are."""
    short = model.strip().lower()
    return MODELS[short] if short in _NAMES else None


def _table(arch: Architecture, engine: EngineKind) -> dict[str, str]:
    table: dict[str, str] = getattr(_NAMES[arch.short], engine)
    return table


def _in_table(table: dict[str, str], engine: EngineKind, quant: str | None) -> str | None:
    """The table's own spelling of a quantization; without one the engine's usual."""
    if quant is None:
        return _DEFAULT[engine] if _DEFAULT[engine] in table else next(iter(table))
    name = quant.strip().upper().replace("-", "_")
    name = _ALIASES.get(name, name)
    name = _HALF.get(engine, name) if name == "F16" else name
    return next((known for known in table if known.upper() == name), None)


def _not_there(arch: Architecture, engine: EngineKind, quant: str, table: dict[str, str]) -> str:
    others = [
        f"{other}:{arch.short}@{found}"
        for other in ENGINE_KINDS
        if other != engine and (found := _in_table(_table(arch, other), other, quant)) is not None
    ]
    there = f" It exists as {' and '.join(others)}." if others else ""
    return f"There is no {_short(quant)} of {arch.short} for {engine}.{there} For {engine}: {', '.join(table)}."


def _made(engine: EngineKind, arch: Architecture, quant: str, name: str) -> EngineName:
    file = None
    if engine == "llamacpp":
        name, _, file = name.partition(":")
    return EngineName(engine=engine, name=name, quant=quant, file=file, licence=arch.licence, architecture=arch)


def _short(text: str) -> str:
    return plain_text(text)[:80]
