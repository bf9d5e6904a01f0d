"""The options that say which meters are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from bakeoff.run.plan import Meters

_F = TypeVar("_F", bound=Callable[..., Any])


def meter_options(command: _F) -> _F:
    """Add the options."""
    for option in reversed(
        (
            click.option("--wall", metavar="ADDRESS|manual",
                         help="Measure at the wall: shelly://HOST, tasmota://HOST, homeassistant://HOST:8123/sensor.X, "
                         "or manual, to type a meter's readings."),
            click.option("--meters", default="auto", show_default=True, metavar="auto|none|NAME[,…]",
                         help="Which meters of this machine to read: memory, gpu-memory, pressure, heat, gpu-heat, "
                         "nvidia, amd, rapl, apple, battery. Those not named are not read: with none there is no "
                         "peak memory either."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def meters_of(options: dict[str, Any]) -> Meters:
    """What was asked for; without ``--wall`` the configuration's wall meter, unless no meter is wanted."""
    from bakeoff.config import read_settings
    from bakeoff.run.metering import check
    from bakeoff.run.plan import Meters

    text = str(options["meters"])
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    names = None if words in ([], ["auto"]) else () if words == ["none"] else tuple(dict.fromkeys(words))
    usual = read_settings().text("meter", "wall") if names != () else None
    meters = Meters(names=names, wall=options["wall"] or usual)
    check(meters)
    return meters
