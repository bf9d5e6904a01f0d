"""Wall plugs by their published interfaces, each a real server, with all that can be wrong with one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bakeoff.errors import UsageError
from bakeoff.measurement.meters import plug as plugs
from bakeoff.measurement.meters.base import Absent, Stretch, Target
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.measurement.meters.plug import BRANDS, PlugAddress
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.wall import WallPlug
from tests.fake_plugs import HomeAssistantServer, Plug, Reply, ShellyPlugS, ShellyPlus, TasmotaPlug, as_json, plugged_in

FORMS: dict[str, tuple[type[Plug], str]] = {
    "shelly 1": (ShellyPlugS, "shelly://{}"),
    "shelly 2": (ShellyPlus, "shelly://{}"),
    "tasmota": (TasmotaPlug, "tasmota://{}"),
    "home assistant": (HomeAssistantServer, "homeassistant://{}/sensor.plug_power"),
}
every_brand = pytest.mark.parametrize("brand", FORMS)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the token of the Home Assistant that always wants one."""
    for variable in BRANDS.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HASS_TOKEN", "a-long-lived-token")


def meter(form: str, host: str) -> PowerMeter | Absent:
    (opened,) = WallPlug(PlugAddress.parse(form.format(host))).open(Target())
    assert isinstance(opened, PowerMeter | Absent)
    return opened


def look(form: str, plug: Plug) -> Look:
    with plugged_in(plug) as host:
        opened = meter(form, host)
        assert isinstance(opened, PowerMeter), opened.state.reason
        try:
            return opened._source.look(True)
        finally:
            opened.close()


def refused(form: str, plug: Plug) -> tuple[str, str, str]:
    """State, reason and fix of a plug that cannot be read."""
    with plugged_in(plug) as host:
        opened = meter(form, host)
        assert isinstance(opened, Absent)
        return opened.state.state, opened.state.reason.replace(host, "HOST"), opened.state.fix


def test_a_shelly_of_the_first_generation_counts_watt_minutes() -> None:
    assert look("shelly://{}", ShellyPlugS(85.3, 60 * 439_237.5)) == Look(60.0 * 439_237, 85.3)


@pytest.mark.parametrize("generation", [2, 3, 4])
def test_a_later_shelly_counts_watt_hours_with_three_places(generation: int) -> None:
    found = look("shelly://{}", ShellyPlus(85.3, 3600 * 9492.4681, generation=generation))
    assert found.joules == pytest.approx(3600 * 9492.468)
    assert found.watts == 85.3


def test_a_small_shelly_meter_that_does_not_switch_is_found_too() -> None:
    assert look("shelly://{}", ShellyPlus(12.5, 3600, component="PM1", generation=3)) == Look(3600.0, 12.5)


def test_a_channel_is_asked_for_by_its_number() -> None:
    plug = ShellyPlus(40)
    assert look("shelly://{}?channel=1", plug).watts == 40
    assert plug.asked[-1].query == {"id": ["1"]}


def test_tasmota_counts_kilowatt_hours() -> None:
    found = look("tasmota://{}", TasmotaPlug(85.3, 3.6e6 * 167.7432))
    assert found.joules == pytest.approx(3.6e6 * 167.743)
    assert found.watts == 85


def test_of_several_outlets_tasmota_lists_the_one_that_was_asked_for_is_taken() -> None:
    assert look("tasmota://{}?channel=2", TasmotaPlug(85, outlets=3)).watts == 85
    assert look("tasmota://{}", TasmotaPlug(85, outlets=3)).watts == 0


@pytest.mark.parametrize(
    ("unit", "seen"), [("W", Look(None, 85.3)), ("kW", Look(None, 85.3)), ("kWh", Look(3.6e6, None))]
)
def test_a_sensor_of_home_assistant_has_its_own_unit(unit: str, seen: Look) -> None:
    found = look("homeassistant://{}/sensor.plug_power", HomeAssistantServer(85.3, 3.6e6, unit=unit))
    assert found.joules == pytest.approx(seen.joules)
    assert found.watts == pytest.approx(seen.watts)


@every_brand
@pytest.mark.parametrize("jump_s", [0, -86_400, 3600])
def test_a_plug_at_work_becomes_joules_and_watts_of_windows_whatever_its_own_clock_does(
    brand: str, jump_s: int
) -> None:
    """Sampled every half second for a minute, on the meter's own clock; the plug's jumps in the middle."""
    kind, form = FORMS[brand]
    plug, now = kind(200.0), [0]
    with plugged_in(plug) as host:
        opened = meter(form, host)
        assert isinstance(opened, PowerMeter)
        opened._now = lambda: now[0]
        for number in range(120):
            opened.sample()
            now[0] += 500_000_000
            plug.passes(0.5)
            plug.clock_s += jump_s if number == 60 else 0
        readings = opened.finish([Stretch("trial", 10_000_000_000, 50_000_000_000)])
        opened.close()
    energy = next(reading for reading in readings if reading.quantity == "energy_j")
    assert energy.scope == "wall"
    assert energy.value == pytest.approx(8000, rel=0.02)
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= 8000 <= energy.high


@every_brand
def test_a_plug_that_is_silent_for_three_seconds_is_said_to_be(brand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plugs.PATIENCE_S == 3.0
    monkeypatch.setattr(plugs, "PATIENCE_S", 0.05)
    kind, form = FORMS[brand]
    plug = kind()
    plug.silent = True
    state, reason, _ = refused(form, plug)
    assert state == "failed"
    assert "has not answered for" in reason


def test_a_plug_that_falls_silent_in_a_run_stalls_nothing_and_leaves_its_window_without_energy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugs, "PATIENCE_S", 0.05)
    plug, asked = ShellyPlus(), threading.Event()
    with plugged_in(plug) as host:
        opened = meter("shelly://{}", host)
        plug.silent = True
        with MeterSet([opened]) as meters:
            count = len(plug.asked)
            while len(plug.asked) == count:
                asked.wait(0.001)
            meters.start()
            readings = meters.finish()
    assert [reading for reading in readings if reading.value is not None] == []


OTHER: dict[str, Reply] = {
    "a router's page": (200, {"content-type": "text/html"}, b"<html><title>FRITZ!Box</title></html>"),
    "another service": as_json({"swagger": "2.0", "info": {"title": "Petstore"}}),
    "a list": as_json([1, 2, 3]),
    "no text at all": (200, {}, b"\xff\xfe\x00"),
    "deep nesting": (200, {}, b"[" * 100_000),
    "no end": (200, {}, b" " * 400_000),
    "an error": (500, {}, b"boom"),
    "somewhere else": (302, {"location": "http://192.0.2.1/"}, b""),
}


@every_brand
@pytest.mark.parametrize("what", OTHER)
def test_something_else_that_answers_is_told_from_a_plug_in_one_sentence(brand: str, what: str) -> None:
    kind, form = FORMS[brand]
    plug = kind()
    plug.instead = OTHER[what]
    state, reason, _ = refused(form, plug)
    assert state == "failed"
    assert "it is not a" in reason or "answers with the status" in reason
    assert "\n" not in reason
    assert len(reason) < 200


@pytest.mark.parametrize("brand", ["shelly 1", "shelly 2", "tasmota"])
def test_a_password_comes_from_the_environment_and_is_never_shown(brand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, form = FORMS[brand]
    variable = BRANDS[form.partition(":")[0]]
    state, reason, fix = refused(form, kind(password="correct horse&battery#%"))
    assert (state, fix) == ("denied", f"export {variable}=…")
    assert f"{variable} is not set" in reason
    monkeypatch.setenv(variable, "wrong")
    assert "is not the right one" in refused(form, kind(password="correct horse&battery#%"))[1]
    assert "wrong" not in refused(form, kind(password="correct horse&battery#%"))[1]
    monkeypatch.setenv(variable, "correct horse&battery#%")
    assert look(form, kind(60, password="correct horse&battery#%")).watts == 60


def test_a_home_assistant_wants_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HASS_TOKEN")
    form = FORMS["home assistant"][1]
    assert "wants a token, and HASS_TOKEN is not set" in refused(form, HomeAssistantServer())[1]
    monkeypatch.setenv("HASS_TOKEN", "old")
    assert refused(form, HomeAssistantServer())[0] == "denied"


@every_brand
def test_a_negative_reading_is_left_out_and_said(brand: str) -> None:
    kind, form = FORMS[brand]
    found = look(form, kind(-42.0))
    assert found.watts is None
    assert "told -42 W" in found.note


@pytest.mark.parametrize("nonsense", [float("1e300"), True, "85", None, {"w": 1}, -1e9])
def test_what_is_no_power_is_none(nonsense: Any) -> None:
    assert plugs.watts_of(nonsense) is None
    assert nonsense is None or plugs.joules_of(nonsense, 3600) is None


@pytest.mark.parametrize(
    ("form", "plug", "reason"),
    [
        ("shelly://{}", lambda: ShellyPlus(measures=False), "switches, but does not measure"),
        ("shelly://{}?channel=3", ShellyPlugS, "there are 1 channels, numbered from 0"),
        ("shelly://{}?channel=3", ShellyPlus, "has no /rpc/PM1.GetStatus"),
        ("tasmota://{}", lambda: TasmotaPlug(measures=False), "runs Tasmota, but does not measure power"),
        ("tasmota://{}?channel=7", lambda: TasmotaPlug(outlets=2), None),
        ("homeassistant://{}/sensor.other", HomeAssistantServer, "There is no entity sensor.other"),
        ("homeassistant://{}/sensor.plug_power", lambda: HomeAssistantServer(unit="°C"), "its unit is '°C'"),
    ],
)
def test_a_plug_without_a_meter_says_what_to_name_instead(
    form: str, plug: Callable[[], Plug], reason: str | None
) -> None:
    if reason is None:
        assert look(form, plug()).watts is None
        return
    assert reason in refused(form, plug())[1]


@pytest.mark.parametrize("state", ["unavailable", "unknown", "\x1b[31mon"])
def test_a_sensor_that_is_away_is_said_to_be(state: str) -> None:
    server = HomeAssistantServer()
    server.state = state
    _, reason, _ = refused(FORMS["home assistant"][1], server)
    assert state.removeprefix("\x1b[31m") in reason
    assert "\x1b" not in reason


def test_nobody_at_the_address_is_said_in_one_sentence() -> None:
    with plugged_in(ShellyPlus()) as host:
        pass
    opened = meter("shelly://{}", host)
    assert isinstance(opened, Absent)
    assert opened.state.reason.startswith(f"Nothing answers at shelly://{host}.")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("shelly://192.168.1.20", "http://192.168.1.20"),
        ("shelly://plug.local:8080?channel=1", "http://plug.local:8080"),
        ("tasmota://[fe80::1]:81", "http://[fe80::1]:81"),
        ("homeassistant://10.0.0.5:8123/sensor.plug_power", "http://10.0.0.5:8123"),
        ("homeassistant://ha.example/sensor.x?tls=1", "https://ha.example"),
    ],
)
def test_an_address_is_read_as_it_is_written(text: str, url: str) -> None:
    address = PlugAddress.parse(text)
    assert address.url == url
    assert PlugAddress.parse(address.text).url.partition("://")[2] == url.partition("://")[2]


@pytest.mark.parametrize(
    "text",
    ["", "shelly", "shelly://", "http://192.168.1.20", "kasa://1.2.3.4", "shelly://h?channel=x", "shelly://h?channel=-1",
     "shelly://h?channel=999", "shelly://h?password=x", "shelly://h:99999", "shelly://h/sensor.x", "homeassistant://h",
     "homeassistant://h/a/b", "shelly://[::1", "manual2"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_with_the_forms_that_there_are(text: str) -> None:
    with pytest.raises(UsageError, match=r"Write shelly://192\.168\.1\.20"):
        PlugAddress.parse(text)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="Set SHELLY_PASSWORD") as refusal:
        PlugAddress.parse("shelly://admin:hunter2@192.168.1.20")
    assert "hunter2" not in str(refusal.value)
