"""A published command, read and never run: which engine, which model at which quantization, which flags."""

from __future__ import annotations

import re
import shlex

from msgspec import Struct

from bakeoff.analysis.claims.subject import quant_of
from bakeoff.errors import UsageError
from bakeoff.models.catalogue import MODELS, R1_FAMILY, find
from bakeoff.models.names import EngineKind, EngineName, names_of

_SIZE = re.compile(r"(?P<size>\d+(?:\.\d+)?b)(?P<rest>.*)", re.IGNORECASE)


class Command(Struct, frozen=True, kw_only=True):
    """What a command asks for. ``known`` is the engine's own name of that model, None where the lists lack it.

    ``model`` and ``quant`` are what the name means, as far as it can be told, whether it is in the lists or not.
    """

    engine: EngineKind
    verb: str
    name: str
    model: str | None
    quant: str | None
    flags: dict[str, str]
    known: EngineName | None
    moving: bool = False
    """An Ollama tag that names a size alone: it is there, and what it means may change."""


def parse_command(text: str) -> Command | None:
    """The command that a text means, None where it starts or fetches no model. Raises UsageError: quotes left open."""
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise UsageError(f"the command {text[:60]!r} cannot be read: {error}.") from error
    while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
        words.pop(0)
    if not words:
        return None
    program, rest = words[0].rpartition("/")[2], words[1:]
    if program == "ollama" and len(rest) > 1 and rest[0] in ("pull", "run"):
        return _ollama(rest[0], rest[1])
    if program.startswith("python") and rest[:2] == ["-m", "vllm.entrypoints.openai.api_server"]:
        return _vllm(_flags(rest[2:])[1])
    if program == "vllm" and rest[:1] == ["serve"]:
        free, flags = _flags(rest[1:])
        return _vllm({"model": free[0], **flags} if free else flags)
    if program.startswith("mlx_lm"):
        flags = _flags(rest)[1]
        return _by_repository("mlx", program, flags.get("model", ""), flags)
    if program.startswith("llama-"):
        return _llama(program, _flags(rest)[1])
    return None


def _flags(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Words that are no flag's, and flags with their values, without dashes."""
    free: list[str] = []
    flags: dict[str, str] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-"):
            free.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not equals and at < len(words) and not re.match(r"-\D", words[at]):
            value = words[at]
            at += 1
        flags[name] = value
    return free, flags


def _ollama(verb: str, tag: str) -> Command:
    """A tag of the library. ``deepseek-r1:7b`` is its default; a longer one is looked up among the known names."""
    known = _known("ollama", tag)
    base, _, rest = tag.partition(":")
    if known is not None:
        return _made("ollama", verb, tag, known, {})
    match = _SIZE.fullmatch(rest)
    short = f"r1-{match['size'].lower()}" if match and base == "deepseek-r1" else None
    model = short if short in {arch.short for arch in R1_FAMILY} else None
    moving = match is not None and not match["rest"]
    quant = "Q4_K_M" if moving else _quant_in(match["rest"] if match else "")
    return Command(engine="ollama", verb=verb, name=tag, model=model, quant=quant, flags={}, known=None, moving=moving)


def _quant_in(rest: str) -> str | None:
    for word in reversed(rest.split("-")):
        try:
            return quant_of(word)
        except UsageError:
            continue
    return None


def _vllm(flags: dict[str, str]) -> Command:
    return _by_repository("vllm", "serve", flags.get("model", ""), flags)


def _llama(program: str, flags: dict[str, str]) -> Command:
    name, _, quant = (flags.get("hf") or flags.get("hf-repo") or flags.get("hfr") or "").partition(":")
    for short in MODELS:
        for known in names_of(short).get("llamacpp", ()):
            if known.name.lower() == name.lower() and (known.quant or "").lower() == (quant or "q4_k_m").lower():
                return _made("llamacpp", program, name, known, flags)
    return Command(engine="llamacpp", verb=program, name=name, model=None, quant=quant or None, flags=flags, known=None)


def _by_repository(engine: EngineKind, verb: str, name: str, flags: dict[str, str]) -> Command:
    known = _known(engine, name)
    if known is not None:
        return _made(engine, verb, name, known, flags)
    try:
        model = find(name).short
    except UsageError:
        model = None
    quant = "BF16" if model and engine == "vllm" else None
    return Command(engine=engine, verb=verb, name=name, model=model, quant=quant, flags=flags, known=None)


def _made(engine: EngineKind, verb: str, name: str, known: EngineName, flags: dict[str, str]) -> Command:
    model = known.architecture.short if known.architecture else None
    return Command(engine=engine, verb=verb, name=name, model=model, quant=known.quant, flags=flags, known=known)


def _known(engine: EngineKind, name: str) -> EngineName | None:
    wanted = name.strip().lower()
    return next(
        (each for short in MODELS for each in names_of(short).get(engine, ()) if each.name.lower() == wanted), None
    )
