"""SmolLM2, real or synthetic, in the embedded engine: what it is asked, and what its trials add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bakeoff.engines.base import Prompt, Request
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import parse_subject
from bakeoff.errors import BakeoffError
from bakeoff.folders import cache_folder
from bakeoff.measurement.metrics import output_tokens
from bakeoff.models.gguf import architecture_of, quant_of, read_header
from bakeoff.models.smollm2 import smollm2_file
from bakeoff.models.synthetic import synthesize
from bakeoff.run.contestants import contestant
from bakeoff.run.trial import Recorder, perform
from bench.targets import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bakeoff.engines.base import Engine
    from bakeoff.measurement.metrics import Parts
    from bakeoff.results.records import Trial
    from bakeoff.run.contestant import Contestant

T = TypeVar("T")
SUBJECT = "llamacpp:smollm2"


def synthetic_file() -> Path:
    """SmolLM2's synthetic twin, written unless it is there: its shape, its types, random weights."""
    header = read_header(smollm2_file())
    return synthesize(architecture_of(header), quant_of(header) or "Q4_1", cache_folder(), like=header)


def loading(file: Path, context: int, program: str | None = None) -> Contestant:
    """As ``bakeoff run llamacpp:FILE`` makes it, with ``--program`` where one is given."""
    options = EngineOptions(context=context, program=program)
    return contestant(parse_subject(f"llamacpp:{file}"), options, lambda what, *_: progress(what))


def asking(prompt: Prompt, max_tokens: int, *, cache: bool = False) -> Request:
    """A request for exactly ``max_tokens`` tokens, with the engine's prompt cache off unless asked for."""
    return Request(prompt=prompt, max_tokens=max_tokens, cache=cache)


async def ask(engine: Engine, request: Request) -> Trial:
    """One trial. Raises BakeoffError where it failed or gave another number of tokens."""
    recorder = Recorder(cell=0, index=0, purpose="timed", seed=request.seed)
    error = await perform(recorder, engine, request)
    trial = recorder.trial(opens_thinking=None, keep_text=False, error=str(error) if error else None)
    if trial.status != "ok":
        raise BakeoffError(f"a trial of {engine.describe().model.name} failed: {trial.error}")
    if output_tokens(trial) != request.max_tokens:
        raise BakeoffError(f"{output_tokens(trial)} tokens came where {request.max_tokens} were asked for")
    return trial


def total(parts: Parts, trials: Sequence[Trial]) -> tuple[float, float]:
    """Tokens and seconds of a rate over all the trials. Raises BakeoffError where one of them has none."""
    pairs = every(parts, trials)
    return sum(tokens for tokens, _ in pairs), sum(seconds for _, seconds in pairs)


def every(metric: Callable[[Trial], T | None], trials: Sequence[Trial]) -> list[T]:
    """One value a trial. Raises BakeoffError where one of them has none."""
    values = [value for trial in trials if (value := metric(trial)) is not None]
    if not values or len(values) < len(trials):
        raise BakeoffError(f"{len(trials) - len(values)} of {len(trials)} trials have no {metric.__name__}")
    return values


def about(engine: Engine) -> str:
    """The engine's version, its device, and the threads and the context that it has, where it tells them."""
    described = engine.describe()
    settings = described.settings
    parts = [described.version, described.device, f"context {settings['context']}"]
    if "threads" in settings:
        parts.insert(2, f"{settings['threads']} threads")
    return ", ".join(filter(None, parts))
