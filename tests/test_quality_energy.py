"""The energy of short answers, metered together: against a simulated GPU whose counter is new every 100 ms."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, structs

from bakeoff.analysis.quality_costs import per_correct
from bakeoff.analysis.quality_energy import AnswersEnergy, answers_energy
from bakeoff.engines.base import Begun, Chunk, Finished, Request, StreamEvent
from bakeoff.errors import BrokenReply
from bakeoff.measurement.meters.base import Stretch
from bakeoff.measurement.meters.meter_set import MeterSet
from bakeoff.measurement.meters.power import Look, PowerMeter
from bakeoff.measurement.meters.trace import Counter
from bakeoff.results.answers import Answer, Verdict
from bakeoff.results.records import Metered, MeterState, Reading
from bakeoff.results.runfile import read_run
from bakeoff.run.blocks import BLOCK_S, Blocks
from bakeoff.run.file import RunFile
from bakeoff.run.instruments import Instruments, Span
from bakeoff.run.session import run_all
from tests.answering import Oracle, Said, answerer_for, making, number_in, plan_of, right, sums
from tests.test_metering import ABOUT, Up
from tests.test_runner import HOST, Silent

S = 1_000_000_000
IDLE_W, BETWEEN_W, UPDATE_S, COUNTER_S = 70.0, 120.0, 0.1, 0.002
STATE = MeterState(name="GPU", scope="gpu", quantity="power_w", state="ready", rate_hz=10.0)
IDLE = Metered(
    meters=(STATE,),
    idle=(Reading(meter="GPU", scope="gpu", quantity="power_w", phase="idle", value=IDLE_W, detail="GPU 0"),),
)


class Gpu:
    """A card on a clock of its own: its counter shows what was used up to its last update, in whole millijoules."""

    def __init__(self, rng: random.Random) -> None:
        self.at, self.used, self.shown, self._next = 0, 0.0, 0.0, round(rng.uniform(0, UPDATE_S) * S)
        self._sample, self.rng = 0, rng
        self.meter = PowerMeter(
            STATE, self, told_by="the simulator", counter=Counter(period_s=UPDATE_S, quantum_j=0.001),
            detail="GPU 0", now=lambda: self.at,
        )  # fmt: skip

    def look(self, counter: bool) -> Look:
        """Reading the counter takes its time, so that the sampler reads it about once a second."""
        if not counter:
            return Look()
        self._pass(round(COUNTER_S * S / 2), IDLE_W)
        shown = self.shown
        self._pass(round(COUNTER_S * S / 2), IDLE_W)
        return Look(joules=int(shown * 1000) / 1000)

    def close(self) -> None:
        return None

    def _pass(self, ns: int, watts: float) -> None:
        until = self.at + ns
        while self._next <= until:
            self._use(self._next, watts)
            self.shown, self._next = self.used, self._next + round(UPDATE_S * S)
        self._use(until, watts)

    def _use(self, until: int, watts: float) -> None:
        self.used += watts * (until - self.at) / S
        self.at = until

    def passes(self, seconds: float, watts: float) -> None:
        """So long at that power, looked at ten times a second, more or less."""
        until = self.at + round(seconds * S)
        while self._sample <= until:
            self._pass(max(0, self._sample - self.at), watts)
            if self.at <= until:
                self.meter.sample()
            self._sample = self.at + round(self.rng.uniform(0.09, 0.12) * S)
        self._pass(max(0, until - self.at), watts)


class Watch:
    """The card as the instruments of a session have it."""

    def __init__(self, gpu: Gpu) -> None:
        self._gpu = gpu
        self.set = MeterSet([], now=lambda: gpu.at)
        self.set._running = [gpu.meter]

    def begin(self, stage: Any) -> None:
        stage("Metering")

    def end(self) -> None:
        return None

    def set_for(self, engine: Any, about: Any) -> MeterSet:
        assert engine
        assert about
        return self.set

    def throttles_for(self, engine: Any, about: Any) -> None:
        assert engine
        assert about

    def metered(self, meters: MeterSet) -> Metered:
        assert meters is self.set
        return IDLE


class Asked(Struct, frozen=True):
    """What a simulated subject took: its answers as they are recorded, and the truth of their energy."""

    answers: list[Answer]
    joules: float


def ask(rng: random.Random, count: int, spans: tuple[float, float], pauses: tuple[float, float]) -> Asked:
    """So many answers, each as long, with pauses between them in which they are graded."""
    gpu, answers, truth = Gpu(rng), list[Answer](), 0.0
    gpu.passes(3, IDLE_W)

    async def main() -> None:
        nonlocal truth
        blocks, instruments = Blocks(), Instruments(Up(), ABOUT, Watch(gpu))  # type: ignore[arg-type]
        for number in range(count):
            await instruments.start()
            begun, before = gpu.at, gpu.used
            gpu.passes(rng.uniform(*spans), rng.uniform(250, 650))
            truth += gpu.used - before
            span = Span(begun_ns=begun, end_ns=gpu.at)
            since, together = blocks.add(span)
            seen = await instruments.finish(span, since if together > 1 else None)
            verdict: Verdict = "right" if rng.random() < 0.7 else "wrong"
            answers.append(
                Answer(
                    entrant=0, item=f"t{number}", sample=0, seed=0, started="", verdict=verdict,
                    end_ns=gpu.at - begun, readings=seen.readings, block=together if together > 1 else 0,
                )
            )  # fmt: skip
            gpu.passes(rng.uniform(*pauses), BETWEEN_W)

    asyncio.run(main())
    return Asked(answers, truth)


def total(energy: AnswersEnergy | None) -> float:
    assert energy is not None
    return sum(energy.by_item.values())


@pytest.mark.parametrize(
    ("spans", "pauses", "within"),
    [((0.2, 3), (0.001, 0.03), 0.03), ((0.2, 0.8), (0.001, 0.03), 0.06), ((0.2, 3), (0.05, 1.0), 0.35),
     ((2, 9), (0.001, 0.03), 0.02)],
)  # fmt: skip
def test_the_total_of_short_answers_lies_within_its_bounds(
    spans: tuple[float, float], pauses: tuple[float, float], within: float
) -> None:
    rng = random.Random(11)
    for _ in range(25):
        asked = ask(rng, 40, spans, pauses)
        energy = answers_energy(asked.answers, (IDLE,), "gpu")
        assert energy is not None
        assert energy.low_j <= asked.joules <= energy.high_j
        assert energy.low_j <= total(energy) <= energy.high_j
        assert total(energy) == pytest.approx(asked.joules, rel=0.02 if pauses[1] < 0.1 else 0.12)
        assert energy.high_j - energy.low_j <= 2 * within * asked.joules


def test_a_right_answer_has_its_price_in_joules_where_no_single_answer_has_an_energy() -> None:
    asked = ask(random.Random(2), 60, (0.2, 0.6), (0.001, 0.02))
    alone = [structs.replace(answer, block=0) for answer in asked.answers]
    assert per_correct(alone, (IDLE,), None).joules["gpu"] is None
    figure = per_correct(asked.answers, (IDLE,), None).joules["gpu"]
    assert figure is not None
    assert figure.point == pytest.approx(asked.joules / sum(a.verdict == "right" for a in asked.answers), rel=0.02)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < figure.point < figure.high


def test_the_meters_part_of_an_interval_stays_where_chance_leaves_nothing_open() -> None:
    asked = ask(random.Random(3), 30, (0.4, 0.4), (0.001, 0.001))
    answers = [structs.replace(answer, verdict="right") for answer in asked.answers]
    figure = per_correct(answers, (IDLE,), None).joules["gpu"]
    energy = answers_energy(answers, (IDLE,), "gpu")
    assert figure is not None
    assert energy is not None
    assert figure.low == pytest.approx(energy.low_j / 30)
    assert figure.high == pytest.approx(energy.high_j / 30)


def test_answers_that_are_too_short_even_together_have_no_energy() -> None:
    asked = ask(random.Random(4), 2, (0.2, 0.3), (0.001, 0.002))
    assert answers_energy(asked.answers, (IDLE,), "gpu") is None


def test_long_answers_keep_the_energy_that_each_has_alone() -> None:
    asked = ask(random.Random(5), 5, (30, 60), (2.0, 3.0))
    energy = answers_energy(asked.answers, (IDLE,), "gpu")
    assert energy is not None
    told = {
        (answer.item, reading.value)
        for answer in asked.answers
        for reading in answer.readings
        if (reading.quantity, reading.phase) == ("energy_j", "trial")
    }
    assert set(energy.by_item.items()) == told


def test_without_an_idle_level_the_moments_between_are_not_taken_off_but_the_bounds_hold() -> None:
    asked = ask(random.Random(6), 40, (0.2, 1), (0.2, 0.5))
    bare, less = answers_energy(asked.answers, (), "gpu"), answers_energy(asked.answers, (IDLE,), "gpu")
    assert bare is not None
    assert total(bare) > total(less)
    assert bare.low_j <= asked.joules <= bare.high_j


# Which answers are together


def spans(*seconds: float) -> list[Span]:
    """One after another, so long each."""
    ends = list(itertools.accumulate(seconds))
    return [Span(begun_ns=round((end - span) * S) + 1, end_ns=round(end * S)) for end, span in zip(ends, seconds,
            strict=True)]  # fmt: skip


def held(added: Sequence[tuple[int | None, int]]) -> int:
    """How many answers the last stretch and those before it hold, from the end on."""
    place, count = len(added) - 1, 0
    while place >= 0:
        count, place = count + added[place][1], place - added[place][1]
    return count


def test_however_many_answers_there_are_the_last_stretches_hold_each_once() -> None:
    rng, blocks = random.Random(1), Blocks()
    asked = spans(*(rng.uniform(0.2, 90) for _ in range(200)))
    added = [blocks.add(span) for span in asked]
    for count in range(1, len(added) + 1):
        assert held(added[:count]) == count
    for (since, together), span, place in zip(added, asked, range(len(asked)), strict=True):
        assert since == asked[place - together + 1].begun_ns
        if place > 30:
            assert since is not None
            assert span.end_ns is not None
            assert span.end_ns - since >= BLOCK_S * S


def test_behind_an_answer_that_broke_off_a_block_begins_anew() -> None:
    blocks, asked = Blocks(), spans(1, 1, 1, 1)
    assert [blocks.add(asked[0])[1], blocks.add(asked[1])[1]] == [1, 2]
    assert blocks.add(Span(begun_ns=5)) == (None, 0)
    assert blocks.add(None) == (None, 0)
    assert blocks.add(asked[3]) == (asked[3].begun_ns, 1)


# A whole run


class OnTheCard(Oracle):
    """An engine that takes the card's time: 0.4 s at 400 W an answer."""

    def __init__(self, answers: Any, gpu: Gpu) -> None:
        super().__init__(answers)
        self._gpu, self.joules = gpu, 0.0

    async def stream(self, request: Request) -> AsyncIterator[StreamEvent]:
        self.asked.append(request)
        said = self._answers(request)
        yield Begun(self._gpu.at)
        before = self._gpu.used
        self._gpu.passes(0.4, 400)
        if said.error is not None:
            raise said.error
        self.joules += (self._gpu.used - before) if request.max_tokens == 64 else 0.0
        yield Chunk(self._gpu.at, said.text, "")
        yield Finished(at_ns=self._gpu.at, finish="stop", clock="user")


def test_a_run_of_short_answers_tells_what_a_right_one_took_though_one_of_them_broke_off(tmp_path: Path) -> None:
    def failing(request: Request) -> Said:
        broken = number_in(request) == 11 and request.max_tokens == 64
        return Said(error=BrokenReply("Cut.")) if broken else right(request)

    gpu, plan = Gpu(random.Random(8)), plan_of("a")
    gpu.passes(2, IDLE_W)
    engine = OnTheCard(failing, gpu)
    file = RunFile.new(tmp_path, "bakeoff quality", plan, HOST)
    watch: Any = Watch(gpu)
    answerer = answerer_for(plan, sums(24))
    errors = run_all(plan, making({"a": engine}), file, Silent(), metering=watch, answerer=answerer)
    assert errors == []
    run = read_run(file.path)
    came = [answer for answer in run.answers if answer.verdict != "failed"]
    energy = answers_energy(came, run.metered, "gpu")
    assert energy is not None
    assert len(came) == 23
    assert energy.low_j <= engine.joules <= energy.high_j
    assert total(energy) == pytest.approx(engine.joules, rel=0.05)


def test_a_block_in_a_file_that_claims_more_answers_than_there_are_is_none() -> None:
    asked = ask(random.Random(9), 20, (0.2, 0.3), (0.001, 0.002))
    more = [structs.replace(answer, block=answer.block + 1) for answer in asked.answers]
    assert answers_energy(more, (IDLE,), "gpu") is None


def test_a_stretch_before_the_window_is_read_by_meters_of_power_alone() -> None:
    gpu = Gpu(random.Random(10))
    gpu.passes(5, 300)
    whole = [Stretch("trial", 3 * S, 5 * S), Stretch("block", S, 5 * S)]
    found = gpu.meter.finish(whole)
    assert [reading.phase for reading in found if reading.quantity == "energy_j"] == ["trial", "block"]
