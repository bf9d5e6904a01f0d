"""``bakeoff suites``: list them, show one, check one's own, write the schema."""

from __future__ import annotations

import click


@click.group("suites", short_help="List, show and check suites: what to measure, as a file.")
def command() -> None:
    """List, show and check suites: subjects × workloads × settings, as a TOML file.

    \b
      bakeoff suites list
      bakeoff suites show article > mine.toml
      bakeoff suites check mine.toml
      bakeoff run --suite mine.toml --dry-run

    'bakeoff suites schema' writes the JSON Schema that an editor can check a suite by.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def list_suites(as_json: bool) -> None:
    """List the suites in the package."""
    from bakeoff.cli.show import json_text
    from bakeoff.workload.suite_file import built_in, read_suite

    rows = [{"name": name, "description": read_suite(name).suite.description} for name in built_in()]
    if as_json:
        click.echo(json_text({"suites": rows}), nl=False)
        return
    for row in rows:
        click.echo(f"{row['name']:<13}{row['description']}")


@command.command("show")
@click.argument("suite", metavar="NAME|FILE")
def show(suite: str) -> None:
    """Print a suite as it is written."""
    from bakeoff.units import plain_text
    from bakeoff.workload.suite_file import read_suite

    click.echo(plain_text(read_suite(suite).text), nl=False)


@command.command("check")
@click.argument("suite", metavar="NAME|FILE")
def check(suite: str) -> None:
    """Say what a suite comes to, or what is wrong with it and where."""
    from bakeoff.engines.subjects import WITH_QUANT, known_engines
    from bakeoff.workload.matrix import starts
    from bakeoff.workload.suite_entries import Choice
    from bakeoff.workload.suite_file import read_suite

    file = read_suite(suite)
    found = starts(file, Choice(known=known_engines(), with_quant=WITH_QUANT, there=lambda: ["scripted:any"]))
    cells = sum(len(start.asked) for start in found)
    click.echo(f"{file.name}: {cells:,} cells in {len(found):,} starts of an engine.")


@command.command("schema")
def schema() -> None:
    """Write the JSON Schema of a suite."""
    from bakeoff.cli.show import json_text
    from bakeoff.workload.suite_file import schema as suite_schema

    click.echo(json_text(suite_schema()), nl=False)
