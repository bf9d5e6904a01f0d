"""What ``bakeoff doctor`` found, as a screen of 80 columns and as the object of ``--json``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Literal

import msgspec
from msgspec import Struct

from bakeoff.engines.discover import ServerState
from bakeoff.engines.installed import KNOWN_ON, EngineState
from bakeoff.engines.lookup import some_names
from bakeoff.engines.whereabouts import Whereabouts
from bakeoff.hardware.disk import Disk
from bakeoff.hardware.gpus import FoundGpu
from bakeoff.hardware.machine import Machine
from bakeoff.report.terminal import host_line
from bakeoff.results.records import Host, MeterState
from bakeoff.units import bytes_text, plain_text

WIDTH = 80
_INDENT = 10
_KEPT = "\N{NO-BREAK SPACE}"
_MARKS = {"ready": "✓", "installed": "✓", "limited": "!", "denied": "✗", "failed": "✗", "broken": "✗", "missing": "–"}


class MeterCheck(Struct, frozen=True, kw_only=True):
    """One instrument: whether it can be used and how it reads; if not quite, why not and the one command that helps.

    ``limited``: it reads, but ``reason`` lacks. ``denied``: a right lacks. ``failed``: it is there, and broken.
    """

    name: str
    state: Literal["ready", "limited", "denied", "missing", "failed"]
    method: str | None = None
    reason: str | None = None
    fix: str | None = None

    @classmethod
    def of(cls, state: MeterState) -> MeterCheck:
        """As a run's records have it."""
        limited = state.state == "ready" and bool(state.reason)
        return cls(
            name=state.name,
            state="limited" if limited else state.state,
            method=state.method or None,
            reason=state.reason or None,
            fix=state.fix or None,
        )


class WeightsState(Struct, frozen=True, kw_only=True):
    """The small model that pip can install."""

    name: str
    state: Literal["ready", "missing"]
    fix: str | None = None


class Checkup(Struct, frozen=True, kw_only=True):
    """Everything that was looked at.

    ``asked`` is the model that was asked about; ``verdict`` what it comes to in a sentence, ``command`` what to type.
    """

    host: Host
    machine: Machine
    gpus: tuple[FoundGpu, ...]
    disk: Disk
    engines: tuple[EngineState, ...]
    servers: tuple[ServerState, ...]
    meters: tuple[MeterCheck, ...]
    models: tuple[WeightsState, ...]
    asked: str | None = None
    names: tuple[Whereabouts, ...] = ()
    ready: bool
    verdict: str
    command: str | None


def doctor_document(checkup: Checkup) -> dict[str, Any]:
    """As ``--json`` writes it: bytes, and a missing thing is null."""
    memory = checkup.machine.host
    document = {
        "schema": 1,
        "host": checkup.host,
        "memory": {
            "bytes": memory.memory_bytes,
            "bandwidth_bytes_s": memory.bandwidth_bytes_s,
            "measured": memory.measured,
            "described": memory.described,
        },
        "disk": {**msgspec.to_builtins(checkup.disk), "described": checkup.disk.described},
        "gpus": checkup.gpus,
        "engines": checkup.engines,
        "versions_known_on": KNOWN_ON,
        "servers": checkup.servers,
        "meters": checkup.meters,
        "models": checkup.models,
        "model": checkup.asked,
        "names": checkup.names,
        "ready": checkup.ready,
        "verdict": checkup.verdict,
        "command": checkup.command,
    }
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return plain


def doctor_screen(checkup: Checkup) -> str:
    """As one reads it."""
    return "\n".join(_lines(checkup)) + "\n"


def _lines(checkup: Checkup) -> Iterator[str]:
    yield from _machine(checkup)
    yield ""
    yield from _group("Engines", [(engine.state, _engine(engine)) for engine in checkup.engines])
    yield from _row("", "", f"Versions are held against those of {KNOWN_ON}; what came later is not known here.")
    yield ""
    servers = [("ready", _server(server)) for server in checkup.servers]
    yield from _group("Servers", servers or [("missing", "none answers on the usual ports")])
    meters = [(meter.state, _with_fix(meter.name, meter.reason or meter.method, meter.fix)) for meter in checkup.meters]
    yield from _group("Meters", meters)
    yield from _group("Models", [(model.state, _with_fix(model.name, None, model.fix)) for model in checkup.models])
    if checkup.asked is not None:
        yield ""
        yield from _names(checkup)
    yield ""
    yield from _verdict(checkup)


def _verdict(checkup: Checkup) -> Iterator[str]:
    """The sentence, and what to type on the same line where there is room: it is never broken."""
    if checkup.command is None:
        yield from textwrap.wrap(checkup.verdict, WIDTH)
    elif len(checkup.verdict) + 1 + len(checkup.command) <= WIDTH:
        yield f"{checkup.verdict} {checkup.command}"
    else:
        yield from textwrap.wrap(checkup.verdict, WIDTH)
        yield f"  {checkup.command}"


def _machine(checkup: Checkup) -> Iterator[str]:
    host, memory, disk = checkup.host, checkup.machine.host, checkup.disk
    yield from _row("Machine", None, host_line(host))
    yield from _row("", None, f"Python {host.python}, Bakeoff {host.bakeoff}")
    assumed = "" if memory.measured else ": bakeoff plan --calibrate measures it"
    yield from _row("Memory", None, f"{memory.described.partition(', ')[2]}{assumed}")
    device = f" ({disk.device})" if disk.device else ""
    yield from _row("Disk", None, f"{disk.described}{device}; {bytes_text(disk.free_bytes)} free for weights")
    for gpu in checkup.gpus:
        size = f", {bytes_text(gpu.memory_bytes)}" if gpu.memory_bytes else ""
        used = f", {bytes_text(gpu.used_bytes)} of it in use" if gpu.used_bytes else ""
        driver = f", driver {gpu.driver}" if gpu.driver else ""
        yield from _row("GPU", None, plain_text(f"{gpu.name}{size}{used}{driver}"))


def _engine(engine: EngineState) -> str:
    version = engine.version or "version not told"
    if engine.state in ("missing", "broken"):
        return _with_fix(engine.name, engine.reason or engine.state, engine.fix)
    older = f", older than {engine.known_version}" if engine.older else ""
    needs = "; not running" if engine.state == "installed" else ""
    return f"{engine.name}: {version}{older}{needs}"


def _server(server: ServerState) -> str:
    version = f" {plain_text(server.version)[:40]}" if server.version else ""
    held = "it wants a key" if server.needs_key else some_names(server.models) or "no model"
    more = f", and {len(server.models) - 8} more" if len(server.models) > 8 else ""
    loaded = f" (in memory: {some_names(server.loaded)})" if server.loaded else ""
    return f"{server.name}{version} at {server.url}: {held}{more}{loaded}"


def _names(checkup: Checkup) -> Iterator[str]:
    """The model under each engine's usual name for it and those that are here, the other quantizations in short."""
    licence = next((name.licence for name in checkup.names if name.licence), None)
    yield from textwrap.wrap(plain_text(checkup.asked or "") + (f", licence: {licence}" if licence else ""), WIDTH)
    for engine, group in groupby(checkup.names, key=lambda name: name.engine):
        names = list(group)
        shown = [name for name in names if name.usual or name.at]
        rows = [(_state(name), _name(name)) for name in shown]
        yield from _group(engine, rows)
        also = [name.quant for name in names if name not in shown and name.quant]
        if also:
            yield from _row("", "", f"also {', '.join(also)}")
    if not checkup.names:
        yield from _row("", "missing", "no server answers that could have it")


def _state(name: Whereabouts) -> str:
    return "broken" if name.problem else "ready" if name.at else "missing"


def _name(name: Whereabouts) -> str:
    quant = f"{name.quant}: " if name.quant else ""
    file = f" {name.file}" if name.file else ""
    at = f", at {name.at}" if name.at else ""
    problem = f", but {name.problem}" if name.problem else ""
    return plain_text(f"{quant}{name.name}{file}{at}{problem}")


def _with_fix(name: str, reason: str | None, fix: str | None) -> str:
    """What is missing and how to get it, in words that are kept on one line: they are for copying."""
    whole = fix.replace(" ", _KEPT) if fix else ""
    return f"{name}{f': {reason}' if reason else ''}{f'. Get it: {whole}' if whole else ''}"


def _group(kind: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Rows of one kind, which stands before the first."""
    for number, (state, text) in enumerate(rows):
        yield from _row(kind if number == 0 else "", state, text)


def _row(kind: str, state: str | None, text: str) -> Sequence[str]:
    """One entry, its kind at the left, wrapped under its own beginning."""
    mark = f"{_MARKS.get(state, ' ')} " if state is not None else ""
    lines = textwrap.wrap(
        f"{kind:<{_INDENT}}{mark}{text}",
        WIDTH,
        subsequent_indent=" " * (_INDENT + len(mark)),
        break_on_hyphens=False,
        break_long_words=True,
        drop_whitespace=True,
    )
    return [line.replace(_KEPT, " ") for line in lines]
