"""The meters of a run, from what was asked for to what its file says: idle first, a wall meter by hand, a plug."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bakeoff.engines.base import Capabilities, Description
from bakeoff.errors import UsageError
from bakeoff.measurement.meters.machine import Surroundings
from bakeoff.measurement.meters.manual import Shown, asked, used
from bakeoff.measurement.meters.rapl import NAME as PACKAGES
from bakeoff.results.records import Model
from bakeoff.results.runfile import read_run
from bakeoff.run.instruments import Instruments, Span
from bakeoff.run.metering import NAMES, Metering, check
from bakeoff.run.plan import Meters
from tests.fake_plugs import HomeAssistantServer, ShellyPlus, plugged_in
from tests.fakes import MODEL, FakeLlamaServer, hosted
from tests.kernel_trees import FakeKernel
from tests.test_cli import Bakeoff, bakeoff, own_home, run_files

__all__ = ["bakeoff", "own_home"]

S = 1_000_000_000
ABOUT = Description(
    engine="it", version=None, model=Model(name="m"), attached=True, capabilities=Capabilities(), device="cpu"
)


class Machine:
    """A package whose counter runs at a power that a test sets, and the clock that it runs by."""

    def __init__(self, folder: Path) -> None:
        self.kernel = FakeKernel(str(folder))
        self.watts, self.at, self.uj = 20.0, S, 10**9
        self.kernel.put("/sys/class/powercap/intel-rapl:0/name", "package-0\n")
        self.passes(0)

    def passes(self, seconds: float) -> None:
        self.at += round(seconds * S)
        self.uj += round(self.watts * seconds * 1e6)
        self.kernel.put("/sys/class/powercap/intel-rapl:0/energy_uj", self.uj)

    def metering(self, wanted: Meters = Meters(names=("rapl",)), ask: Callable[[str], str] | None = None) -> Metering:  # noqa: B008
        here = Surroundings(self.kernel, system="linux")
        return Metering(wanted, ask=ask, here=here, wait=self.passes, now=lambda: self.at)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Every clock of the meters is the machine's."""
    here = Machine(tmp_path / "machine")
    for module in ("meter_set.MeterSet", "power.PowerMeter", "sampler.Sampler", "sampler.Lane"):
        name, _, kind = module.partition(".")
        made = getattr(__import__(f"bakeoff.measurement.meters.{name}", fromlist=[kind]), kind)
        defaults = [(lambda: here.at) if getattr(d, "__name__", "") == "perf_counter_ns" else d
                    for d in made.__init__.__defaults__ or ()]  # fmt: skip
        monkeypatch.setattr(made.__init__, "__defaults__", tuple(defaults))
        for key, value in (made.__init__.__kwdefaults__ or {}).items():
            if getattr(value, "__name__", "") == "perf_counter_ns":
                monkeypatch.setitem(made.__init__.__kwdefaults__, key, lambda: here.at)
    return here


class Up:
    """An engine that is up; nothing is asked of it."""


def test_what_idling_takes_is_measured_before_anything_runs_and_kept(machine: Machine) -> None:
    metering, said = machine.metering(), list[str]()
    metering.begin(said.append)
    assert said == ["Measuring what the idle machine draws, for 2 to 5 s"]
    instruments = Instruments(Up(), ABOUT, metering)  # type: ignore[arg-type]
    assert instruments.metered is not None
    (reading,) = [reading for reading in instruments.metered.idle if reading.quantity == "power_w"]
    assert (reading.meter, reading.scope, reading.phase) == (PACKAGES, "package", "idle")
    assert reading.value == pytest.approx(20)


def test_without_a_meter_of_power_nobody_waits(tmp_path: Path) -> None:
    def never(_: float) -> None:
        raise AssertionError("waited")

    here = Surroundings(FakeKernel(str(tmp_path)), system="linux")
    said: list[str] = []
    Metering(Meters(), here=here, wait=never).begin(said.append)
    assert said == []


def test_a_trial_has_the_readings_of_its_own_times(machine: Machine) -> None:
    metering = machine.metering()
    metering.begin(lambda _: None)

    async def measure() -> Any:
        async with Instruments(Up(), ABOUT, metering) as instruments:  # type: ignore[arg-type]
            await instruments.start()
            begun, machine.watts = machine.at, 120.0
            machine.passes(3)
            machine.watts = 20.0
            return await instruments.finish(Span(begun_ns=begun, end_ns=machine.at))

    seen = asyncio.run(measure())
    (energy,) = [reading for reading in seen.readings if reading.quantity == "energy_j"]
    assert energy.value == pytest.approx(360)
    assert energy.phase == "trial"


def test_none_of_the_meters_means_none(machine: Machine) -> None:
    assert Instruments(Up(), ABOUT, Metering(Meters(names=()))).metered is None  # type: ignore[arg-type]


def test_only_the_meters_that_were_named_are_opened(machine: Machine) -> None:
    metered = Instruments(Up(), ABOUT, machine.metering(Meters(names=("rapl", "battery")))).metered  # type: ignore[arg-type]
    assert metered is not None
    assert [state.name for state in metered.meters] == [PACKAGES, "discharge of the battery"]


def test_a_name_that_is_none_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="there is no meter 'gpu'") as refusal:
        check(Meters(names=("rapl", "gpu")))
    assert all(name in str(refusal.value) for name in NAMES)


# By hand


@pytest.mark.parametrize(
    ("text", "kwh", "step"),
    [("1234.56", 1234.56, 0.01), ("1234,5 kWh", 1234.5, 0.1), (" 17 KWH", 17, 1), ("0.0001", 1e-4, 1e-4)],
)
def test_a_reading_is_typed_as_the_meter_shows_it(text: str, kwh: float, step: float) -> None:
    assert Shown.parse(text) == Shown(kwh, step)


@pytest.mark.parametrize("text", ["", "twelve", "-3", "1e400", "nan", "inf", "1.2.3", "1" * 40, "\x1b[2J1"])
def test_what_is_no_reading_is_asked_for_again(text: str) -> None:
    answers = iter([text, "12.5"])
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return next(answers)

    assert asked(ask, "Now?") == Shown(12.5, 0.1)
    assert questions[0] == "Now?"
    assert "is no reading in kWh" in questions[1]
    assert "\x1b" not in questions[1]


def test_a_second_reading_below_the_first_is_asked_for_again() -> None:
    answers = iter(["99.0", "100.2"])
    assert asked(lambda _: next(answers), "And now?", at_least=Shown(100.0, 0.1)) == Shown(100.2, 0.1)


def test_the_last_digit_of_either_reading_bounds_the_energy() -> None:
    reading = used(Shown(100.00, 0.01), Shown(100.25, 0.01), 600)
    assert reading.value == pytest.approx(0.25 * 3.6e6)
    assert reading.low == pytest.approx(0.24 * 3.6e6)
    assert reading.high == pytest.approx(0.26 * 3.6e6)
    assert reading.method == "read by hand before and after, to ±0.01 kWh"
    assert reading.phase == "run"


def test_too_little_for_the_last_digit_is_withheld_with_a_reason() -> None:
    reading = used(Shown(100.0, 0.1), Shown(100.3, 0.1), 600)
    assert reading.value is None
    assert reading.detail == "0.3 kWh are too little for a meter that shows 0.1 kWh: run longer"


def test_the_wall_meter_is_asked_for_before_and_after(machine: Machine) -> None:
    answers = iter(["100.00", "100.50"])
    metering = machine.metering(Meters(names=(), wall="manual"), ask=lambda _: next(answers))
    metering.begin(lambda _: None)
    machine.passes(600)
    told = metering.end()
    assert told is not None
    assert [(state.name, state.scope) for state in told.meters] == [("wall meter, by hand", "wall")]
    assert told.idle[0].value == pytest.approx(0.5 * 3.6e6)
    assert told.idle[0].span_s == pytest.approx(600)


def test_where_nobody_can_be_asked_a_reading_by_hand_is_refused(machine: Machine) -> None:
    with pytest.raises(UsageError, match="here is nobody to ask: run it in a terminal, or name a plug"):
        machine.metering(Meters(names=(), wall="manual")).begin(lambda _: None)


# The command line


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the idle level."""
    defaults = Metering.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "wait", lambda _: None)


def a_run(bakeoff: Bakeoff, *more: str) -> Any:
    with hosted(FakeLlamaServer()) as url:
        return bakeoff("run", f"openai:{MODEL}", "--url", url, "--runs", "2", "--prompt", "Count.", "--json", *more)


@pytest.mark.usefixtures("at_once")
def test_a_plug_is_read_around_every_trial_and_says_that_these_were_too_short(bakeoff: Bakeoff, own_home: Path) -> None:
    with plugged_in(ShellyPlus(150.0)) as host:
        said = a_run(bakeoff, "--wall", f"shelly://{host}", "--meters", "none")
    assert said.code == 0
    (cell,) = said.document["cells"]
    assert cell["metrics"]["energy_j_per_token"] == {"wall": None}
    (withheld,) = [finding for finding in cell["findings"] if finding["code"] == "energy_withheld"]
    assert "wall: no energy of 2 of 2 trials" in withheld["evidence"]
    (file,) = run_files(own_home)
    run = read_run(file)
    assert [(state.scope, state.state) for state in run.metered[0].meters] == [("wall", "ready")]
    assert run.started.plan is not None
    assert run.started.plan["meters"] == {"names": [], "wall": f"shelly://{host}"}


@pytest.mark.usefixtures("at_once")
def test_a_token_reaches_neither_the_file_nor_the_screen(
    bakeoff: Bakeoff, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HASS_TOKEN", "a-long-lived-token")
    with plugged_in(HomeAssistantServer(150.0)) as host:
        said = a_run(bakeoff, "--wall", f"homeassistant://{host}/sensor.plug_power")
    assert said.code == 0
    (file,) = run_files(own_home)
    assert "a-long-lived-token" not in file.read_text() + said.out + said.err


def test_a_plug_that_is_something_else_ends_the_run_before_it_begins(bakeoff: Bakeoff, own_home: Path) -> None:
    with hosted(FakeLlamaServer()) as url:
        said = a_run(bakeoff, "--wall", f"shelly://{url.partition('//')[2]}")
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith("Error: --wall: ")
    assert run_files(own_home) == []


def test_by_hand_without_a_terminal_ends_the_run_before_it_begins(bakeoff: Bakeoff, own_home: Path) -> None:
    said = a_run(bakeoff, "--wall", "manual", "--meters", "none")
    assert said.code == 2
    assert "nobody to ask" in said.err
    assert run_files(own_home) == []


def test_a_plan_without_meters_is_that_of_an_older_run() -> None:
    from bakeoff.run.plan import Plan

    record = Plan(entrants=()).as_record()
    del record["meters"]
    assert Plan.from_record(record).meters == Meters()
    assert structs.replace(Plan(entrants=()), meters=Meters(wall="manual")).as_record()["meters"]["wall"] == "manual"
