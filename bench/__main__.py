"""``python -m bench [timing] [load] [startup] [twin] [cache] [scale]``: all of them where none is named.

And, by name alone: ``overhead``, what the meters cost; ``meters``, what NVIDIA's do on a machine that has them; and
``rivals``, Bakeoff beside other tools, which it installs for itself.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from bakeoff.errors import BakeoffError
from bench.targets import progress, report

if TYPE_CHECKING:
    from bench.targets import Target

BENCHES = ("timing", "load", "startup", "twin", "cache", "scale")
BY_NAME = ("overhead", "meters", "rivals")


class Result(Protocol):
    """What each benchmark's ``run(quick)`` gives."""

    def targets(self) -> list[Target]: ...
    def text(self) -> str: ...
    def as_dict(self) -> dict[str, Any]: ...


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(BENCHES + BY_NAME))
@click.option("--quick", is_flag=True, help="Fewer repeats and shorter streams: a look, not a figure to show.")
@click.option("--program", metavar="FILE", help="For twin: a llama-server to start, else the embedded engine.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Save the figures in FILE.")
def main(names: tuple[str, ...], quick: bool, program: str | None, file: Path | None) -> None:
    """Measure Bakeoff's own accuracy on this machine, and judge it by its targets."""
    results: dict[str, Result] = {}
    try:
        for name in names or BENCHES:
            run = import_module(f"bench.{name}").run
            results[name] = run(quick, program) if name == "twin" else run(quick)
            progress("")
            click.echo(f"\n{results[name].text()}\n")
    except BakeoffError as error:
        raise click.ClickException(str(error)) from error
    finally:
        if file is not None:
            file.write_text(json.dumps({name: result.as_dict() for name, result in results.items()}, indent=1))
    click.echo(report([target for result in results.values() for target in result.targets()]))


main()
