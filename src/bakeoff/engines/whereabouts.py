"""Where a model is here, under each engine's name for it: on a server that answers, or downloaded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from bakeoff.engines.discover import ServerState
from bakeoff.engines.ollama_server import OllamaServer, differs
from bakeoff.errors import BakeoffError, UsageError
from bakeoff.models.names import ENGINE_KINDS, EngineName, engine_name, names_of
from bakeoff.units import plain_text

_ENGINE_OF = {"llama-server": "llamacpp", "vLLM": "vllm"}
"""Which engine drives which server; the others speak the OpenAI dialect."""


class Whereabouts(Struct, frozen=True, kw_only=True):
    """One engine's name of a model. ``at`` is where it is here, None where it was not found.

    ``subject`` is how to measure it, ``usual`` whether it is the quantization that one gets without naming any.
    ``problem`` is what is wrong with what was found under that name. ``fix`` is how to get it.
    """

    engine: str
    subject: str
    name: str
    quant: str | None = None
    file: str | None = None
    licence: str | None = None
    usual: bool = True
    at: str | None = None
    on_server: bool = False
    problem: str | None = None
    fix: str | None = None


def whereabouts(text: str, servers: Sequence[ServerState]) -> list[Whereabouts]:
    """A model as it is written, ``MODEL[@QUANT]`` or an engine's own name: its names, and where each is found.

    Of the R1 family every name at that quantization, without one at every quantization, the usual one first. Any
    other model is looked for as it is on the servers that answer. Raises UsageError where no engine has that
    quantization.
    """
    model, _, quant = text.partition("@")
    known = names_of(model)
    if not known:
        return [_as_it_is(text, server) for server in servers]
    if quant:
        return [_found(name, servers, usual=True) for name in _at_quant(model, quant)]
    found = []
    for engine, names in known.items():
        usual = engine_name(engine, model)
        found += [_found(name, servers, usual=name == usual) for name in sorted(names, key=lambda name: name != usual)]
    return found


def _at_quant(model: str, quant: str) -> list[EngineName]:
    names = []
    for engine in ENGINE_KINDS:
        with suppress(UsageError):
            names.append(engine_name(engine, model, quant))
    if not names:
        have = "; ".join(
            f"{engine}: {', '.join(str(name.quant) for name in known)}" for engine, known in names_of(model).items()
        )
        raise UsageError(f"No engine has {model} at {plain_text(quant)[:40]}. There are, for {have}.")
    return names


def _as_it_is(model: str, server: ServerState) -> Whereabouts:
    full = (model, f"{model}:latest") if server.name == "Ollama" else (model,)
    held = next((name for name in server.models if name in full), None)
    subject = _subject(held or model, server)
    at = _place(server) if held else None
    return Whereabouts(
        engine=subject.partition(":")[0],
        subject=subject,
        name=held or model,
        at=at,
        on_server=held is not None,
        fix=f"ollama pull {model}" if server.name == "Ollama" and not held else None,
    )


def _subject(name: str, server: ServerState) -> str:
    """How to measure what a server has under that name."""
    if server.name == "Ollama":
        return f"ollama:{name}"
    return f"{_ENGINE_OF.get(server.name, 'openai')}:{name} --url {server.url}"


def _place(server: ServerState) -> str:
    return f"{server.name} at {server.url}"


def _found(name: EngineName, servers: Sequence[ServerState], *, usual: bool) -> Whereabouts:
    fixes = {"ollama": f"ollama pull {name.name}", "llamacpp": f"hf download {name.name} {name.file}"}
    about = Whereabouts(
        engine=name.engine,
        subject=name.subject,
        name=name.name,
        quant=name.quant,
        file=name.file,
        licence=name.licence,
        usual=usual,
        fix=fixes.get(name.engine, f"hf download {name.name}"),
    )
    for server in servers:
        if (server.name == "Ollama") == (name.engine == "ollama") and (held := _held(name, server)):
            subject = name.subject if name.engine == "ollama" else _subject(held, server)
            problem = _differs(name, server) if name.engine == "ollama" else None
            return replace(about, at=_place(server), on_server=True, subject=subject, problem=problem, fix=None)
    path = _downloaded(name) if name.engine != "ollama" else None
    if path is None:
        return about
    subject = f"llamacpp:{path}" if name.file else name.subject
    return replace(about, at="the Hugging Face cache", subject=subject, fix=None)


def _held(name: EngineName, server: ServerState) -> str | None:
    """Under which name the server has it: the repository's, or the file's, which may stand at the end of a path."""
    last = (name.file or name.name).rpartition("/")[2]
    return next((held for held in server.models if held == name.name or held.rpartition("/")[2] == last), None)


def _differs(name: EngineName, server: ServerState) -> str | None:
    try:
        shown = asyncio.run(OllamaServer(server.url).show(name.name))
    except BakeoffError:
        return None
    return differs(name, shown) if shown else None


def _downloaded(name: EngineName) -> Path | None:
    """The repository's file in Hugging Face's cache, where it is there: the weights of GGUF, else its config."""
    hub = os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"
    folder = Path(hub).expanduser() / f"models--{name.name.replace('/', '--')}" / "snapshots"
    return next(iter(sorted(folder.glob(f"*/{name.file or 'config.json'}"))), None)
