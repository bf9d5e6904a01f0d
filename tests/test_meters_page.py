"""docs/meters.md lists every meter and every energy figure, with the rights and the places that the code has."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from bakeoff.analysis.energy import ENERGY_METRICS
from bakeoff.measurement.meters import (
    amd_power,
    apple_power,
    battery,
    home_assistant,
    nvidia_power,
    rapl,
    shelly,
    tasmota,
)
from bakeoff.measurement.meters.plug import BRANDS, PlugAddress
from bakeoff.measurement.meters.trace import LEAST_PERIODS
from bakeoff.run.metering import MANUAL, NAMES

PAGE = (Path(__file__).parent.parent / "docs" / "meters.md").read_text(encoding="utf-8")
TABLES = [
    [[field.strip() for field in line.strip("|").split("|")] for line in block.splitlines()[2:]]
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
]
METERS = {row[0]: row[1:] for row in TABLES[0]}
MODULES: dict[str, ModuleType] = {
    "nvidia": nvidia_power, "amd": amd_power, "rapl": rapl, "apple": apple_power, "battery": battery,
    "shelly": shelly, "tasmota": tasmota, "homeassistant": home_assistant,
}  # fmt: skip


def test_every_meter_has_its_row_in_the_order_in_which_they_are_named() -> None:
    assert list(METERS) == [*NAMES, *BRANDS, MANUAL]


@pytest.mark.parametrize("name", MODULES)
def test_a_row_has_the_scope_that_the_readings_have(name: str) -> None:
    text = inspect.getsource(MODULES[name])
    scopes = set(re.findall(r'"(gpu|package|soc|system|wall)", "power_w"|scope="(\w+)"', text))
    told = {scope for pair in scopes for scope in pair if scope} or {"wall"}
    assert told == {METERS[name][0]}


@pytest.mark.parametrize("name", MODULES)
def test_what_was_not_seen_on_real_hardware_is_said_on_the_page_and_in_the_code(name: str) -> None:
    says_so = "Not seen on" in (MODULES[name].__doc__ or "")
    assert says_so is False or METERS[name][3] == "simulated"
    assert METERS[name][3] != "simulated" or says_so or name in ("nvidia", "rapl")


def test_the_rights_on_the_page_are_those_that_the_meters_name() -> None:
    assert rapl.GRANT in METERS["rapl"][2]
    for brand, variable in BRANDS.items():
        assert variable in METERS[brand][2]
    for name, module in (("amd", amd_power), ("apple", apple_power)):
        (command,) = re.findall(r"`([^`]+)`", METERS[name][2])
        assert command in inspect.getsource(module)


def test_every_energy_figure_has_its_row() -> None:
    assert [name for row in TABLES[1] for name in row[0].split(", ")] == list(ENERGY_METRICS)


def test_the_addresses_on_the_page_can_be_read() -> None:
    addresses = re.findall(r'--wall "?([a-z]+://[^\s"]+)', PAGE)
    assert {PlugAddress.parse(address).brand for address in addresses} == set(BRANDS)


def test_the_shortest_window_is_the_codes() -> None:
    assert LEAST_PERIODS == 10
    assert "shorter than ten resolutions" in PAGE
    assert nvidia_power.UPDATE_S * LEAST_PERIODS == 1
