"""What a run is to do: which subjects, what is asked of each, and how it is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from bakeoff.engines.address import Address
from bakeoff.engines.base import Description, Prompt, Request
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import FileError, UsageError
from bakeoff.results.records import Workload
from bakeoff.run.quality_plan import Quality
from bakeoff.units import plain_text
from bakeoff.workload.arrivals import as_load
from bakeoff.workload.asked import Asked
from bakeoff.workload.prompts import ARTICLE, preamble
from bakeoff.workload.shapes import parse_shape
from bakeoff.workload.words import another

DEFAULT_SYNTHETIC_TOKENS = 128
MOST_SUSTAINED = 100_000


class Protocol(Struct, frozen=True, kw_only=True):
    """How to measure: the same for every cell of a run.

    ``runs`` trials a cell; None: until the half-width of the interval is at most ``precision`` of the figure, but
    ``fewest`` trials at least and ``most`` at most. ``seed`` gives orders and preambles. ``time_budget_s`` is the
    whole run's. A cell is warmed up until two trials agree, but by ``warm_ups`` at most. ``anchors`` trials of a first
    cell are made at the beginning and at the end; 0: none. Where the device throttles, a trial waits for up to
    ``cool_down_s``. ``sustained_s``: each cell is run back to back for so long instead.
    """

    runs: int | None = None
    precision: float = 0.03
    fewest: int = 5
    most: int = 20
    seed: int = 0
    time_budget_s: float | None = None
    warm_ups: int = 4
    anchors: int = 2
    cool_down_s: float = 60.0
    sustained_s: float | None = None

    @property
    def most_trials(self) -> int:
        """How many a cell can have."""
        return MOST_SUSTAINED if self.sustained_s is not None else self.runs or self.most

    @property
    def wanted(self) -> float | None:
        """What the interval is to come down to; None where a number of trials or a time was asked for."""
        return self.precision if self.runs is None and self.sustained_s is None else None


class Entrant(Struct, frozen=True):
    """A subject, its engine's settings, and all that is to be asked of it while it is loaded."""

    subject: SubjectText
    options: EngineOptions
    asked: tuple[Asked, ...] = (Asked(),)

    @property
    def text(self) -> str:
        """The subject as it was written."""
        return self.subject.text


class Meters(Struct, frozen=True, kw_only=True):
    """Which meters are read: those of ``names``, or all; ``wall`` is a plug's address, or ``manual``."""

    names: tuple[str, ...] | None = None
    wall: str | None = None


class Plan(Struct, frozen=True):
    """A whole run, as it was asked for: enough to do it, and to go on with it.

    ``quality``: the entrants are put tasks as well, behind all that is measured; those with nothing ``asked`` alone.
    """

    entrants: tuple[Entrant, ...]
    protocol: Protocol = Protocol()
    meters: Meters = Meters()
    quality: Quality | None = None

    def as_record(self) -> dict[str, Any]:
        """For the run file. Raises UsageError on an address that holds a password."""
        for entrant in self.entrants:
            if entrant.options.url is not None:
                Address.parse(entrant.options.url)
        record: dict[str, Any] = msgspec.to_builtins(self, enc_hook=str)
        return record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Plan:
        """What ``as_record`` gave. Raises FileError where it is something else."""
        try:
            return msgspec.convert(record, cls, dec_hook=_path)
        except (msgspec.ValidationError, RecursionError) as error:
            raise FileError(f"The plan of this run cannot be read: {plain_text(str(error))}.") from error


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError(f"Expected a path, got {plain_text(repr(value))[:100]}")


def expected_cells(entrant: Entrant) -> int:
    """How many cells an entrant will have, as far as that can be known before its engine is up."""
    suited = 1 if entrant.options.synthetic else len(ARTICLE)
    return sum(suited if _is_open(asked) else 1 for asked in entrant.asked)


def _is_open(asked: Asked) -> bool:
    """Whether what is sent is left to the model."""
    return asked.prompt is None and asked.prompt_tokens is None and asked.shape is None


def workloads(asked: Asked, about: Description, seed: int) -> list[Workload]:
    """What is asked, as this engine gets it: one workload, or the several that suit its model.

    Raises UsageError where prompt and answer cannot fit the context, or the engine cannot take what would be sent.
    """
    return [_workload(each, about, seed) for each in _suited(asked, about)]


def _suited(asked: Asked, about: Description) -> list[Asked]:
    if not _is_open(asked):
        return [asked]
    if about.model.synthetic:
        return [structs.replace(asked, prompt_tokens=DEFAULT_SYNTHETIC_TOKENS)]
    return [structs.replace(asked, name=prompt.name, prompt=prompt.text) for prompt in ARTICLE]


def _workload(asked: Asked, about: Description, seed: int) -> Workload:
    asked.check_room()
    asked = as_load(asked)
    if (asked.concurrency > 1 or asked.rate_rps is not None) and not about.capabilities.at_once:
        raise UsageError(
            f"{about.engine} answers one request at a time: leave --concurrency and --rate out, or serve the model "
            "(for MLX with mlx_lm.server) and measure openai:NAME --url …"
        )
    ids = asked.ids_for(takes_ids=about.capabilities.token_ids, synthetic=about.model.synthetic)
    shape = parse_shape(asked.shape) if asked.shape else None
    named = asked.name or (shape.name if shape else f"synthetic prompt, {ids} tokens" if ids else "own prompt")
    return Workload(
        name=named,
        prompt=None if ids else asked.prompt,
        prompt_tokens=ids,
        shape=shape.name if shape else None,
        max_tokens=asked.max_tokens,
        context=asked.context,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=seed,
        cache=asked.cache,
        exact_length=about.capabilities.exact_length,
        concurrency=asked.concurrency,
        arrival=asked.arrival,
        rate_rps=asked.rate_rps,
        requests=asked.requests,
        slo=asked.slo,
    )


def request_for(workload: Workload, seed: int, mark: int, token_ids: tuple[int, ...] | None) -> Request:
    """One trial's request: what ``mark`` draws makes it unlike any other from its first words on."""
    return Request(
        prompt=_prompt(workload, mark, token_ids),
        max_tokens=workload.max_tokens,
        context=workload.context,
        temperature=workload.temperature,
        top_p=workload.top_p,
        seed=seed,
        cache=workload.cache == "warm",
    )


def _prompt(workload: Workload, mark: int, token_ids: tuple[int, ...] | None) -> Prompt:
    """Token ids; or a shape's words in another order, which are as many tokens; or the text behind a preamble."""
    if token_ids is not None:
        return Prompt(token_ids=token_ids)
    if workload.shape is not None and workload.prompt is not None:
        return Prompt(text=another(workload.prompt, parse_shape(workload.shape).kind, mark))
    return Prompt(text=workload.prompt, system=preamble(mark))
