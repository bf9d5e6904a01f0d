"""The options that ask for many requests at once, and the workloads that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.engines.options import EngineOptions
    from bakeoff.engines.subjects import SubjectText
    from bakeoff.workload.asked import Asked

MOST_STREAMS, MOST_REQUESTS = 1024, 100_000
FASTEST_RPS, SLOWEST_RPS = 10_000.0, 0.001
STANDING_IN = 128
"""Token ids in the place of a text, for random weights."""
_WITH_SLOTS = ("llamacpp", "ollama")
"""Engines that have to be told before they start how many requests they answer at once."""
_F = TypeVar("_F", bound=Callable[..., Any])


class StreamsType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """Numbers of streams between commas."""

    name = "N[,…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = [part.strip() for part in str(value).split(",")]
        for part in parts:
            if not part.isdecimal() or not 1 <= int(part[:9]) <= MOST_STREAMS:
                self.fail(f"{part!r} is no number of streams from 1 to {MOST_STREAMS}: write for instance 1,2,4,8.",
                          param, ctx)  # fmt: skip
        return tuple(dict.fromkeys(map(int, parts)))


class RatesType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """Requests a second, between commas."""

    name = "RATE[,…]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        rates = []
        for part in str(value).split(","):
            try:
                rates.append(float(part))
            except ValueError:
                rates.append(0.0)
            if not SLOWEST_RPS <= rates[-1] <= FASTEST_RPS:
                self.fail(f"{part.strip()!r} is no rate from {SLOWEST_RPS:g} to {FASTEST_RPS:g} requests a second: "
                          "write for instance 0.5,1,2.", param, ctx)  # fmt: skip
        return tuple(dict.fromkeys(rates))


class SloType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """Limits of a request."""

    name = "LIMITS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        from bakeoff.workload.slo import parse_slo

        return parse_slo(str(value))


def load_options(command: _F) -> _F:
    """Add the options."""
    for option in reversed(
        (
            click.option("--concurrency", type=StreamsType(), metavar="N[,…]",
                         help="Streams at once, each asking again when it is answered; several are measured one by "
                         "one: 1,2,4,8,16."),
            click.option("--rate", "rates", type=RatesType(), metavar="RATE[,…]",
                         help="Requests a second, each sent when it is due, whatever becomes of the others."),
            click.option("--arrival", type=click.Choice(["poisson", "constant"]),
                         help="With --rate: at random, or evenly.  [default: poisson]"),
            click.option("--requests", type=click.IntRange(1, MOST_REQUESTS), metavar="N",
                         help="That count in a window.  [default: 4 a stream, 8 at least; those of 30 s with --rate]"),
            click.option("--slo", type=SloType(), metavar="LIMITS",
                         help="What a request must keep to count as served well: ttft=2s,tpot=80ms,itl=…,latency=…"),
            click.option("--parallel", type=click.IntRange(1, MOST_STREAMS), metavar="N",
                         help="llamacpp, ollama: how many requests the server that we start answers at once.  "
                         "[default: as many as there are streams; 4 with --rate]"),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def is_load(options: dict[str, Any]) -> bool:
    """Whether many requests at once were asked for. Raises UsageError where an option of theirs stands alone."""
    _check_one_of_both(options)
    if options["arrival"] and not options["rates"]:
        raise UsageError("--arrival says how requests come at a rate: add --rate.")
    found = bool(options["concurrency"] or options["rates"])
    for name in ("requests", "slo"):
        if options[name] and not found:
            raise UsageError(f"--{name} is for many requests at once: add --concurrency or --rate.")
    return found


def _check_one_of_both(options: dict[str, Any]) -> None:
    if options["concurrency"] and options["rates"]:
        raise UsageError("--concurrency and --rate exclude each other: requests that are due at a rate wait for no "
                         "stream.")  # fmt: skip


def load_settings(options: dict[str, Any]) -> dict[str, Any]:
    """What the command line says of a suite's load. Raises UsageError."""
    from msgspec import structs

    from bakeoff.workload.suite import Limits

    _check_one_of_both(options)
    streams = [1] if options["rates"] else list(options["concurrency"] or ())
    return {
        "concurrency": streams or None,
        "rate_rps": list(options["rates"] or ()) or None,
        "arrival": options["arrival"],
        "requests": options["requests"],
        "slo": Limits(**structs.asdict(options["slo"])) if options["slo"] else None,
    }


def under_load(asked: tuple[Asked, ...], options: dict[str, Any]) -> tuple[Asked, ...]:
    """Each workload once for each load that was asked for. Raises UsageError."""
    from msgspec import structs

    from bakeoff.workload.arrivals import as_load, default_requests

    if not is_load(options):
        return asked
    found = []
    for each in map(_stated, asked):
        for streams in options["concurrency"] or ():
            requests = options["requests"] or default_requests(streams, None)
            words = f"{streams} stream{'s' if streams > 1 else ''}"
            found.append(structs.replace(each, name=f"{each.name}, {words}", concurrency=streams, requests=requests))
        for rate in options["rates"] or ():
            arrival = options["arrival"] or "poisson"
            found.append(
                structs.replace(
                    each,
                    name=f"{each.name}, {rate:g} a second",
                    rate_rps=rate,
                    arrival=arrival,
                    requests=options["requests"],
                )
            )
    return tuple(as_load(structs.replace(each, slo=options["slo"])) for each in found)


def _stated(asked: Asked) -> Asked:
    """What is left to the model becomes one prompt, or token ids where its weights are random."""
    from msgspec import structs

    from bakeoff.workload.prompts import TRAIN

    if asked.prompt_tokens is not None and asked.prompt is None:
        return structs.replace(asked, name=asked.name or f"{asked.prompt_tokens} tokens")
    if asked.prompt is not None or asked.shape is not None:
        return asked
    return structs.replace(asked, name=TRAIN.name, prompt=TRAIN.text, prompt_tokens=STANDING_IN)


def with_slots(
    subject: SubjectText, engine: EngineOptions, asked: tuple[Asked, ...], parallel: int | None
) -> EngineOptions:
    """The engine's settings with room for all that comes at once. Raises UsageError where --parallel has no effect."""
    from msgspec import structs

    from bakeoff.workload.arrivals import slots_for

    if parallel is not None and (subject.engine not in _WITH_SLOTS or engine.url is not None):
        raise UsageError(f"--parallel is for a llama.cpp or Ollama server that Bakeoff starts: {subject.text} is set "
                         "up by who started it, or takes all that come. Leave it out.")  # fmt: skip
    return structs.replace(engine, parallel=parallel or slots_for(asked))
