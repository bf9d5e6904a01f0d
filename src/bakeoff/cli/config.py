"""``bakeoff config``: the user's own prices and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bakeoff.errors import UsageError

if TYPE_CHECKING:
    from bakeoff.config import Place


@click.group("config", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Keep your own prices, currency rates and defaults, in one file.

    \b
      bakeoff config set electricity.price 0.31
      bakeoff config set electricity.currency EUR
      bakeoff config set rates.EUR 1.08
      bakeoff config set hardware.rtx-4090.price 2600
      bakeoff config set 'api."deepseek:deepseek-reasoner".output_price' 2.19
    """
    if context.invoked_subcommand is None:
        context.invoke(list_settings)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to standard output.")
def list_settings(as_json: bool = False) -> None:
    """List what is set, and all that can be."""
    from bakeoff.cli.show import json_text
    from bakeoff.config import KEYS, config_path, dotted, read_settings

    values = {dotted(place): value for place, value in read_settings().values.items()}
    if as_json:
        click.echo(json_text({"file": str(config_path()), "values": values}), nl=False)
        return
    if not values:
        click.echo(f"Nothing is set yet; it would be in {config_path()}.")
    for name, value in values.items():
        click.echo(f"{name} = {_shown(value)}")
    click.echo("\nTo be set with 'bakeoff config set KEY VALUE', * being a name:")
    formatter = click.HelpFormatter(width=80)
    with formatter.indentation():
        formatter.write_dl([(name, what) for name, (_, what) in KEYS.items()])
    click.echo(formatter.getvalue(), nl=False)


@command.command("get")
@click.argument("key")
def get(key: str) -> int:
    """Print what a key is set to. Exit code 1 where it is not set."""
    from bakeoff.config import dotted, read_settings

    place = _known(key)
    value = read_settings().values.get(place)
    if value is None:
        click.echo(f"{dotted(place)} is not set.", err=True)
        return 1
    click.echo(_shown(value))
    return 0


@command.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key")
@click.argument("value")
def set_value(key: str, value: str) -> None:
    """Set a key; the rest of the file stays as it is."""
    from bakeoff.config import config_path, dotted, parse_key, parse_value, read_text, with_value

    place = parse_key(key)
    parsed = parse_value(place, value)
    _check_name(place, str(parsed))
    _check_day(place, str(parsed))
    _write(with_value(read_text(), place, parsed))
    click.echo(f"{dotted(place)} = {_shown(parsed)}, in {config_path()}.")


@command.command("unset")
@click.argument("key")
def unset(key: str) -> None:
    """Take a key out of the file."""
    from bakeoff.config import config_path, dotted, read_text, without_value

    place = _known(key)
    _write(without_value(read_text(), place))
    click.echo(f"{dotted(place)} is no longer set, in {config_path()}.")


@command.command("path")
def path() -> None:
    """Print where the file is, or would be."""
    from bakeoff.config import config_path

    click.echo(str(config_path()))


def _known(key: str) -> Place:
    """The parts of a key that there is. Raises UsageError."""
    from bakeoff.config import check, kind_of, parse_key

    place = parse_key(key)
    if kind_of(place) is None:
        check(place, 0)
    return place


def _check_name(place: Place, value: str) -> None:
    """Raise UsageError where a name is nothing that we know: it would never be looked up."""
    if place[0] == "hardware":
        from bakeoff.hardware.catalogue import find_machine

        find_machine(place[1])
    elif place == ("electricity", "country"):
        from bakeoff.economics.electricity import household_price

        household_price(value)
    elif place[0] == "api":
        from bakeoff.economics.api_prices import parse_api

        parse_api(place[1])


def _check_day(place: Place, value: str) -> None:
    """Raise UsageError where a day is still to come: a price with it would never grow old."""
    from datetime import date

    from bakeoff.clock import utc_now
    from bakeoff.config import dotted, kind_of

    if kind_of(place) != "date":
        return
    if (date.fromisoformat(value) - date.fromisoformat(utc_now()[:10])).days > 1:  # one: east of Greenwich it has begun
        raise UsageError(f"{dotted(place)} is the day when you looked, and {value} is still to come.")


def _shown(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def _write(text: str) -> None:
    from bakeoff.config import config_path
    from bakeoff.errors import FileError
    from bakeoff.results.files import write_text

    file = config_path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"Cannot make the folder {file.parent}: {error.strerror or error}.") from error
    write_text(file, text)
