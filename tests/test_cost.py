"""``bakeoff cost``: worked examples by hand, where numbers come from, what is said, and bad input."""

from __future__ import annotations

import json
import math
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.cli.main import main
from bakeoff.economics.case import FIGURES
from bakeoff.economics.currency import Money, Rates, parse_money
from bakeoff.economics.electricity import households
from bakeoff.economics.inputs import INPUTS, Input
from bakeoff.economics.ranges import Range, between, exactly
from bakeoff.economics.sensitivity import Swing
from bakeoff.economics.verdict import Answer, CanDo, Verdict, answer
from bakeoff.errors import UsageError
from bakeoff.report.cost import bar, cost_document
from bakeoff.results.records import Gpu, Metered, Reading, RunStarted, Usage
from tests.hand_made import a_cell, a_host, a_run, a_trial

ARTICLE = ["--hardware-price", "3000", "--calls-per-day", "500", "--tokens-out", "1000", "--api-output-price", "2.19"]
POWER = ["--watts", "325", "--idle-watts", "80", "--tps", "100", "--electricity-price", "0.2"]
DAYS = 365.25 / 12
PAGE = (Path(__file__).parent.parent / "docs" / "cost.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    return tmp_path


Cost = Callable[..., dict[str, Any]]
Screen = Callable[..., str]


@pytest.fixture
def cost(capsys: pytest.CaptureFixture[str]) -> Cost:
    """The document of a command."""

    def run(*arguments: str) -> dict[str, Any]:
        assert main(["cost", *arguments, "--json"]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        document: dict[str, Any] = json.loads(printed.out)
        return document

    return run


@pytest.fixture
def screen(capsys: pytest.CaptureFixture[str]) -> Screen:
    """What a command prints, or of one that fails what it says; in one line."""

    def run(*arguments: str, code: int = 0) -> str:
        assert main(["cost", *arguments]) == code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        assert all(len(line) <= 80 for line in printed.out.splitlines())
        return " ".join((printed.out if code == 0 else printed.err).split())

    return run


# The article's numbers


@pytest.mark.parametrize(("calls", "months"), [("500", 90), ("1000", 45)])
def test_a_published_break_even_comes_out(calls: str, months: int, cost: Cost) -> None:
    found = cost(*ARTICLE, "--calls-per-day", calls)
    assert found["break_even_months"]["point"] == pytest.approx(months, abs=0.05)
    assert found["answer"].startswith(f"Break-even after {months} months")


def test_what_it_left_out_is_named_with_the_options_that_bring_it_in(cost: Cost) -> None:
    missing = {option for each in cost(*ARTICLE)["left_out"] for option in each["options"]}
    assert missing == {"--tokens-in", "--api-input-price", "--watts", "--tps", "--electricity-price", "--life-years",
                       "--resale"}  # fmt: skip


def test_with_electricity_it_is_said_what_was_left_out_before(cost: Cost, screen: Screen) -> None:
    busy_h = 500 * 10 / 3600
    electricity = DAYS * (busy_h * 325 + (24 - busy_h) * 80) / 1000 * 0.2
    found = cost(*ARTICLE, *POWER)
    assert found["electricity_cost_per_month"]["point"] == pytest.approx(electricity)
    assert found["break_even_months"]["point"] == pytest.approx(3000 / (500 * DAYS * 1000 * 2.19 / 1e6 - electricity))
    assert found["break_even_months_without_electricity"]["point"] == pytest.approx(90, abs=0.05)
    assert "Without electricity it would be 90 months." in screen(*ARTICLE, *POWER)


def test_a_machine_that_waits_still_draws(cost: Cost) -> None:
    never_waits = cost(*ARTICLE, *POWER)["electricity_cost_per_month"]["point"]
    unknown = cost(*ARTICLE, *POWER[:2], *POWER[4:])
    assert unknown["electricity_cost_per_month"]["point"] == pytest.approx(DAYS * 500 * 10 / 3600 * 0.325 * 0.2)
    assert unknown["electricity_cost_per_month"]["point"] < never_waits
    assert {"what": "what the machine draws while it waits", "options": ["--idle-watts"]} in unknown["left_out"]


# The answer


@pytest.mark.parametrize(
    ("more", "verdict", "words"),
    [
        (["--life-years", "5"], "not_within_life", "The API is cheaper at this load: break-even after 90 months, "
         "longer than the 60 that the hardware lasts."),
        (["--life-years", "8"], "pays_off", "The hardware pays off at this load: break-even after 90 months, of the "
         "96 that it lasts."),
        (["--life-years", "7-8"], "open", "Which is cheaper is open"),
        ([], "if_it_lasts", "Break-even after 90 months (7.5 years), if the hardware lasts that long"),
        (["--watts", "500", "--idle-watts", "150", "--tps", "50", "--electricity-price", "0.4"], "never",
         "The API is cheaper at this load, and stays so: the hardware never pays off, since its electricity alone "
         "costs"),
        (["--tps", "5"], "cannot_do_the_load", "This machine cannot do this load: it would have to work 27.8 hours a "
         "day."),
        (["--api-output-price", "0"], "never", "since the API costs nothing"),
    ],
)  # fmt: skip
def test_the_first_line_answers(more: list[str], verdict: str, words: str, cost: Cost, screen: Screen) -> None:
    assert cost(*ARTICLE, *more)["verdict"] == verdict
    assert words in screen(*ARTICLE, *more)


def test_never_is_null_and_said_to_be_never(cost: Cost) -> None:
    found = cost(*ARTICLE, *POWER[:2], "--idle-watts", "300", "--tps", "100", "--electricity-price", "0.4")
    assert (found["break_even_months"], found["never"], found["may_be_never"]) == (None, True, True)


def test_what_may_be_never_says_when_it_would_be_at_the_best(cost: Cost, screen: Screen) -> None:
    power = ["--watts", "300", "--idle-watts", "60", "--tps", "100", "--electricity-price"]
    likely = cost(*ARTICLE, *power, "0.1-0.8")
    assert (likely["break_even_months"]["high"], likely["never"], likely["may_be_never"]) == (None, False, True)
    power.append("0.1-1.6")
    found = cost(*ARTICLE, *power)
    assert found["break_even_months"] is None
    assert (found["never"], found["may_be_never"]) == (False, True)
    assert found["earliest_break_even_months"] < 150
    assert "break-even never, or at the best after" in screen(*ARTICLE, *power).lower()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (ARTICLE[2:], "The API costs $33.3 a month at this load; without the hardware's price, no break-even."),
        ([*ARTICLE[:6], "--life-years", "4"],
         "A million tokens cost $4.11 here at this load; without an API's price, no break-even."),
        ([*ARTICLE[2:], *POWER], "and $33.3 by the API; without the hardware's price, no break-even."),
        (["--hardware-price", "3000", "--tps", "100"],
         "Without an API's price, the calls of a day and the tokens of a call, no break-even"),
    ],
)  # fmt: skip
def test_without_a_break_even_what_is_known_is_said(arguments: list[str], words: str, screen: Screen) -> None:
    assert words in screen(*arguments)


def test_a_load_that_is_done_on_the_mean_but_not_in_the_busiest_hour_is_told(cost: Cost, screen: Screen) -> None:
    load = [*ARTICLE, "--tps", "50", "--peak-hour-share", "50%"]  # 500 calls of 20 s: 2.8 h; 250 of them in one hour
    found = cost(*load)
    assert found["can_do_the_load"] == "not_in_the_busiest_hour"
    assert found["busy_share"]["point"] == pytest.approx(500 * 20 / 86400)
    assert found["peak_busy_share"]["point"] == pytest.approx(250 * 20 / 3600)
    assert found["peak_wait_s"] is None
    assert "In the busiest hour it cannot keep up: 1.4 hours of work come in one." in screen(*load)


def test_a_queue_that_keeps_up_waits_as_the_formula_says(cost: Cost) -> None:
    found = cost(*ARTICLE, "--tps", "100", "--peak-hour-share", "0.2")  # 100 calls of 10 s an hour
    assert found["peak_wait_s"]["point"] == pytest.approx((1000 / 3600) * 10 / (1 - 1000 / 3600))


def test_a_load_that_cannot_be_done_has_no_cost_at_that_load(cost: Cost) -> None:
    found = cost(*ARTICLE, "--tps", "5", "--life-years", "4")
    assert found["local_cost_per_million_tokens"] is None
    assert found["full_load_cost_per_million_tokens"]["point"] == pytest.approx(3000 / (48 * DAYS * 86400 * 5) * 1e6)


# Ranges, thinking, sensitivity


def test_ranges_in_are_intervals_out(cost: Cost) -> None:
    found = cost(*ARTICLE, "--hardware-price", "2,500-3,500", "--calls-per-day", "500-1000")["break_even_months"]
    call = 1000 * 2.19 / 1e6 * DAYS
    assert found["low"] == pytest.approx(2500 / (1000 * call))
    assert found["point"] == pytest.approx(3000 / (750 * call))
    assert found["high"] == pytest.approx(3500 / (500 * call))


def test_the_thinking_is_billed_and_computed(cost: Cost) -> None:
    parts = cost(*ARTICLE[:4], "--answer-tokens", "200", "--thinking-tokens", "700-900", *ARTICLE[6:])
    assert parts["inputs"]["tokens_out"]["value"]["low"] == 900
    assert parts["inputs"]["tokens_out"]["value"]["high"] == 1100
    assert parts["break_even_months"]["point"] == pytest.approx(90, abs=0.05)
    assert "answer 200 + thinking 800" in parts["inputs"]["tokens_out"]["source"]


def test_three_inputs_that_matter_most_are_named(cost: Cost, screen: Screen) -> None:
    swings = cost(*ARTICLE, "--hardware-price", "2000-4000")["sensitivity"]
    assert swings["figure"] == "break_even_months"
    assert swings["swings"][0]["input"] == "hardware_price"
    assert len(swings["swings"]) == 3
    assert "price of the hardware, 2,000 to 4,000 60 to 120" in screen(*ARTICLE, "--hardware-price", "2000-4000")


def swing(low: float, high: float) -> Swing:
    return Swing(name="x", ranged=True, low_input=1, high_input=2, at_low=low, at_high=high)


def test_a_bar_reaches_from_one_end_to_the_other_and_on_where_it_is_never() -> None:
    assert bar(swing(10, 20), 10, 20) == "█" * 18
    assert bar(swing(20, 15), 10, 20) == "·" * 9 + "█" * 9
    assert bar(swing(15, math.inf), 10, 20) == "·" * 9 + "█" * 9 + "▶"
    assert bar(swing(20, 20), 10, 20) == "·" * 17 + "█"


# Money


def test_money_is_read_with_its_currency() -> None:
    assert parse_money("$2,500–$3,500", "--hardware-price") == Money(between(2500, 3500), "USD")
    assert parse_money("0.31 eur", "--electricity-price") == Money(exactly(0.31), "EUR")
    assert parse_money("CHF 0.277", "--electricity-price") == Money(exactly(0.277), "CHF")
    assert parse_money("2.19", "--api-output-price").currency is None
    with pytest.raises(UsageError, match="in two currencies"):
        parse_money("$2-€3", "--resale")


def test_a_kwh_of_a_country_goes_into_the_sum_at_the_rate_given(cost: Cost) -> None:
    found = cost(*ARTICLE, "--watts", "300", "--tps", "100", "--electricity", "germany", "--rate", "EUR=1.10")
    price = found["inputs"]["electricity_price"]
    assert price["value"]["point"] == pytest.approx(0.3835 * 1.10)
    assert price["date"] == "2025-06-30"
    assert "Eurostat" in price["source"]
    assert "EUR 0.3835 × 1.1 by the rates given" in price["source"]
    assert any("price of a kWh (2025-06-30)" in note or "a kWh (2025-06-30)" in note for note in found["notes"])


def test_a_sum_in_another_currency_needs_no_rate_for_its_own(cost: Cost, screen: Screen) -> None:
    assert cost(*ARTICLE, "--currency", "EUR", "--electricity", "DE")["inputs"]["electricity_price"]["unit"] == "EUR"
    words = screen(*ARTICLE, "--electricity", "DE", code=2)
    assert "in EUR, the sum in USD, and there is no rate for EUR" in words
    assert "--rate EUR=DOLLARS" in words


def test_dollars_need_the_rate_of_the_sum(cost: Cost) -> None:
    dollars = ["--api-output-price", "$2.19", "--currency", "EUR", "--rate", "EUR=1.095"]
    price = cost(*ARTICLE, *dollars)["inputs"]["api_output_price"]
    assert price["value"]["point"] == pytest.approx(2.0)
    assert "USD 2.19 / 1.095 by the rates given" in price["source"]


def test_every_country_has_a_price_a_day_and_a_source() -> None:
    assert len(households()) >= 10
    for row in households():
        assert 0.02 < row.price < 1
        assert len(row.currency) == 3
        assert row.date[:2] == "20"
        assert len(row.date) == 10
        assert row.source
    assert len({row.country for row in households()}) == len(households())


def test_the_configuration_gives_what_no_option_does(home: Path, cost: Cost) -> None:
    (home / "config.toml").write_text(
        'currency = "EUR"\n[rates]\nEUR = 1.1\n[electricity]\nprice = 0.31\n[hardware.rtx-4090]\nprice = 2600\n'
        '[api."my:model"]\noutput_price = 1.5\ncurrency = "USD"\ndate = "2026-11-01"\n'
    )
    found = cost("--on", "rtx-4090", "--api", "my:model", "--calls-per-day", "500", "--tokens-out", "1000")
    inputs = found["inputs"]
    assert found["currency"] == "EUR"
    assert inputs["hardware_price"]["value"]["point"] == 2600
    assert inputs["electricity_price"]["value"]["point"] == 0.31
    assert inputs["api_output_price"]["value"]["point"] == pytest.approx(1.5 / 1.1)
    assert inputs["api_output_price"]["date"] == "2026-11-01"
    over = cost(*ARTICLE, "--electricity-price", "0.2", "--currency", "USD")
    assert over["inputs"]["electricity_price"]["value"]["point"] == 0.2


# Prices of APIs by name


def test_prices_by_name_respect_the_time_of_day(cost: Cost) -> None:
    """DeepSeek's reasoner, by its published prices: $2.19 from 00:30 to 16:30 UTC, else $0.55."""
    pytest.importorskip("genai_prices")
    api = [*ARTICLE[:6], "--api", "deepseek:deepseek-reasoner", "--tokens-in", "1000"]
    day, night = cost(*api, "--at", "2026-11-25T12:00"), cost(*api, "--at", "2026-11-25T20:00")
    assert day["inputs"]["api_output_price"]["value"]["point"] == 2.19
    assert day["inputs"]["api_input_price"]["value"]["point"] == 0.55
    assert night["inputs"]["api_output_price"]["value"]["point"] == 0.55
    assert night["break_even_months"]["point"] > 3 * day["break_even_months"]["point"]
    price = cost(*api)["inputs"]["api_output_price"]
    assert (price["value"]["low"], price["value"]["high"]) == (0.55, 2.19)
    assert price["value"]["point"] == pytest.approx((2.19 * 16 + 0.55 * 8) / 24)
    assert "genai-prices" in price["source"]
    assert price["date"] >= "2026"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--api", "deepsek:deepseek-reasoner"], "no provider 'deepsek'. Did you mean deepseek?"),
        (["--api", "deepseek:deepseek-resoner"], "Did you mean deepseek-reasoner"),
        (["--api", "openai:text-embedding-3-small"], "no price of tokens out"),
        (["--api", "deepseek"], "PROVIDER:MODEL"),
        (["--api", "deepseek:deepseek-reasoner", "--at", "noon"], "Write it like 12:00"),
        (["--api", "deepseek:deepseek-reasoner", "--at", "25:00"], "Write it like 12:00"),
    ],
)
def test_an_api_that_nobody_knows_is_a_sentence(arguments: list[str], words: str, screen: Screen) -> None:
    pytest.importorskip("genai_prices")
    assert words in screen(*ARTICLE[:6], *arguments, code=2)


def test_without_the_extra_it_is_said_how_to_get_it(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    words = screen(*ARTICLE[:6], "--api", "deepseek:deepseek-reasoner", code=2)
    assert "pip install 'bakeoff[prices]'" in words


# From a plan, from a run


def test_a_plan_gives_its_rates_as_ranges_and_the_hardwares_price(
    cost: Cost, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cost("--model", "r1-7b@q4_K_M", "--on", "rtx-4090", "--tokens-in", "500", "--tokens-out", "1000",
                 "--calls-per-day", "500", "--api-output-price", "2.19")  # fmt: skip
    assert main(["plan", "r1-7b@q4_K_M", "--on", "rtx-4090", "--context", "1000", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]  # the middle of the answer: 500 + 1000 / 2 tokens
    for name, planned in (("tps", "decode_tps_at_context"), ("prefill_tps", "prefill_tps")):
        value = found["inputs"][name]["value"]
        assert {key: value[key] for key in ("point", "low", "high")} == {
            key: row[planned][key] for key in ("point", "low", "high")
        }
        assert value["confidence"] == 0.8
    assert found["busy_share"]["confidence"] == 0.8
    assert found["inputs"]["hardware_price"]["value"]["point"] == 2800
    assert any("USD 1,000 in it for the computer around" in note for note in found["notes"])
    assert any("at most 450 W" in note for note in found["notes"])


def test_without_a_quantization_the_recommended_one_is_taken(cost: Cost) -> None:
    found = cost("--model", "r1-7b", "--on", "rtx-4090", "--tokens-out", "1000", "--calls-per-day", "5")
    assert found["inputs"]["tps"]["source"].startswith("predicted: r1-7b at Q")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "r1-70b@F16", "--on", "rtx-4090"], "does not fit RTX 4090"),
        (["--model", "r1-7c", "--on", "rtx-4090"], "Did you mean r1-7b"),
        (["--model", "r1-7b", "--on", "rtx-4909"], "Did you mean RTX 4090"),
        (["--model", "r1-70b", "--on", "m3-max-48gb"], "Name a quantization: MODEL@QUANT"),
        (["--run", "nothing"], "No run is named 'nothing'"),
        (["--run", "last"], "There are no runs yet"),
        (["--run", "last", "--model", "r1-7b"], "say the same"),
    ],
)
def test_a_plan_or_a_run_that_there_is_not_is_a_sentence(arguments: list[str], words: str, screen: Screen) -> None:
    assert words in screen(*ARTICLE[:6], *arguments, code=2)


def kept(home: Path, gpus: tuple[Gpu, ...] = (), cells: int = 1, **scopes: float) -> str:
    """A run of three trials a cell: 40 prompt tokens in 0.08 s, 101 tokens at 10 ms, so many watts by scope."""
    readings = tuple(
        Reading(meter="m", scope=scope, quantity="energy_j", value=watts * 1.1, span_s=1.1, method="counter")  # type: ignore[arg-type]
        for scope, watts in scopes.items()
    )
    idle = tuple(
        Reading(meter="m", scope=scope, quantity="power_w", phase="idle", value=watts / 10, method="counter")  # type: ignore[arg-type]
        for scope, watts in scopes.items()
    )
    usage = Usage(prompt_tokens=40, cached_tokens=0, output_tokens=101, reasoning_tokens=75)
    trials = [
        a_trial([100 + 10 * n for n in range(101)], "r" * 101, usage=usage, cell=cell, index=index, readings=readings)
        for cell in range(cells)
        for index in range(3)
    ]
    run = a_run(
        [a_cell(cell, max_tokens=101) for cell in range(cells)], trials, metered=(Metered(meters=(), idle=idle),)
    )
    started: RunStarted = msgspec.structs.replace(run.started, host=a_host(gpus=gpus))
    path = home / "runs" / f"{run.started.id}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(
        b"".join(msgspec.json.encode(each) + b"\n" for each in (started, *run.metered, *run.cells, *trials))
    )
    return run.started.id


def test_a_run_gives_its_rates_watts_tokens_and_hardware(home: Path, cost: Cost) -> None:
    run = kept(home, (Gpu(name="NVIDIA GeForce RTX 4090"),), gpu=200.0, wall=320.0)
    found = cost("--run", run, "--calls-per-day", "100")
    inputs = found["inputs"]
    assert inputs["tps"]["value"]["point"] == pytest.approx(100)
    assert inputs["prefill_tps"]["value"]["point"] == pytest.approx(500)
    assert inputs["tokens_in"]["value"]["point"] == 40
    assert inputs["tokens_out"]["value"]["point"] == 101
    assert "74% of them thinking" in inputs["tokens_out"]["source"]
    assert "real ones may be longer" in inputs["tokens_out"]["source"]
    assert inputs["watts"]["value"]["point"] == pytest.approx(320)
    assert inputs["idle_watts"]["value"]["point"] == pytest.approx(32)
    assert "scope wall" in inputs["watts"]["source"]
    assert inputs["hardware_price"]["value"]["point"] == 2800
    assert found["busy_share"]["point"] == pytest.approx(100 * (40 / 500 + 101 / 100) / 86400)


def test_watts_of_a_chip_alone_are_said_to_be_just_that(home: Path, cost: Cost) -> None:
    found = cost("--run", kept(home, gpu=200.0), "--calls-per-day", "100", "--watts", "300-350")
    assert found["inputs"]["watts"]["value"]["point"] == 325
    found = cost("--run", "last", "--calls-per-day", "100")
    assert any("Watts are of the gpu alone" in note for note in found["notes"])


def test_of_several_cells_one_has_to_be_named(home: Path, cost: Cost, screen: Screen) -> None:
    run = kept(home, cells=2)
    assert "more than one cell: name one" in screen("--run", run, *ARTICLE[2:], code=2)
    assert "has no cell '7'" in screen("--run", f"{run}#7", *ARTICLE[2:], code=2)
    assert cost("--run", f"{run}#1", *ARTICLE[2:])["inputs"]["tps"]["value"]["point"] == pytest.approx(100)


# Where each number is from


def test_explain_prints_each_figures_formula_and_where_each_input_is_from(screen: Screen) -> None:
    words = screen(*ARTICLE, *POWER, "--life-years", "4", "--explain")
    for name, formula in FIGURES.items():
        assert " ".join(formula.words.split()) in words, name
    assert "price of the hardware: 3,000 USD [given]" in words
    assert "share of the calls in the busiest hour: 0.15 [assumed" in words
    assert "of price of the hardware 3,000; calls a day 500;" in words


def test_the_document_has_every_figure_and_the_source_of_every_input(cost: Cost) -> None:
    found = cost(*ARTICLE, *POWER)
    assert set(FIGURES) <= set(found)
    assert set(found["formulas"]) == set(FIGURES)
    assert all(each["source"] for each in found["inputs"].values())
    assert found["break_even_months"] == {**found["break_even_months"], "confidence": 1.0, "n": 1}
    nothing = cost(*ARTICLE)
    assert nothing["local_cost_per_month"] is None
    assert nothing["electricity_cost_per_month"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hardware-price", "0"], "--hardware-price is 0: it must be above 0"),
        (["--hardware-price", "-3000"], "must be above 0"),
        (["--api-output-price", "-1"], "must be at least 0"),
        (["--electricity-price", "-0.1"], "must be at least 0"),
        (["--watts", "350-300"], "upside down: write the lower number first, 300-350"),
        (["--watts", "0"], "must be above 0"),
        (["--tps", "fast"], "not a number"),
        (["--electricity-price", "0,30"], "not a number"),
        (["--tps", "1e99"], "must be at most"),
        (["--resale", "3000"], "not below the hardware's price"),
        (["--watts", "50", "--idle-watts", "80"], "are the two swapped?"),
        (["--calls-per-day", "1e9", "--tokens-out", "1e6"], "no one machine could do it"),
        (["--electricity", "Germny"], "Did you mean Germany?"),
        (["--electricity", "XX"], "There are: BE"),
        (["--electricity", "DE", "--electricity-price", "0.3"], "say the same"),
        (["--answer-tokens", "5"], "say the same"),
        (["--at", "12:00"], "name one with --api"),
        (["--rate", "EUR"], "write it like EUR=1.08"),
        (["--rate", "USD=0.9"], "rates are in US dollars"),
        (["--rate", "EUR=0"], "must be above 0"),
        (["--rate", "EUR=1-2"], "give one number"),
        (["--currency", "euro"], "is no currency"),
        (["--peak-hour-share", "1%"], "between 1/24"),
        (["--peak-hour-share", "150%"], "between 1/24"),
        (["--life-years", "1000"], "must be at most 100"),
        (["--hardware-price", "5 EUR"], "there is no rate for EUR"),
        (["--hardware-price", "\x1b[31m5"], "not a number"),
        (["--hardware-price", "nan"], "--hardware-price 'nan' is not a number"),
        (["--hardware-price", "abc"], "--hardware-price 'abc' is not a number"),
        (["--hardware-price", "5 euro"], "'5 euro' is not a number"),
        (["--tps", "1e-300"], "too small"),
        (["--hardware-price", "1e-9-5"], "too small"),
    ],
)
def test_bad_input_is_a_usage_error_in_a_sentence(arguments: list[str], words: str, screen: Screen) -> None:
    said = screen(*ARTICLE, *arguments, code=2)
    assert words in said
    assert said.startswith("Error: ")
    assert "\x1b" not in said


def test_too_few_numbers_to_say_anything_are_told_what_is_needed(screen: Screen) -> None:
    assert "Give a load" in screen("--tps", "100", code=2)
    assert "Give a load" in screen(code=2)


# The page


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_pages_first_example_is_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    command, _, printed = blocks("console")[0].partition("\n")
    assert main(shlex.split(command.removeprefix("$ bakeoff "))) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == printed.rstrip().splitlines()


@pytest.mark.parametrize("block", blocks("console")[1:])
def test_every_other_command_of_the_page_does_what_it_says(block: str, home: Path) -> None:
    if "--api " in block:
        pytest.importorskip("genai_prices")
    kept(home, (Gpu(name="NVIDIA GeForce RTX 4090"),), wall=320.0)
    for command in block.replace("\\\n", " ").split("$ bakeoff ")[1:]:
        assert main(shlex.split(command)) == 0


def test_the_page_has_every_figure_every_key_and_every_country() -> None:
    document = cost_document(judged({"tps": exactly(50), "hardware_price": exactly(1)}), ())
    for name in (*FIGURES, *document, *get_args(Verdict), *get_args(CanDo)):
        assert f"`{name}`" in PAGE, name
    for formula in FIGURES.values():
        assert formula.words in PAGE
    for row in households():
        assert f"| {row.country} | {row.price:.4g} {row.currency} | {row.date} |" in PAGE


# What must hold for any numbers

AMOUNT = st.floats(0.01, 1e4)
NUMBERS = st.fixed_dictionaries(
    {
        "hardware_price": AMOUNT,
        "calls_per_day": st.floats(1, 1e4),
        "tokens_in": st.floats(0, 1e4),
        "tokens_out": st.floats(1, 1e4),
        "api_input_price": st.floats(0, 100),
        "api_output_price": st.floats(0, 100),
        "tps": st.floats(1, 1000),
        "prefill_tps": st.floats(10, 1e5),
        "watts": st.floats(100, 1000),
        "idle_watts": st.floats(0, 100),
        "electricity_price": st.floats(0, 1),
        "life_years": st.floats(0.5, 10),
        "peak_hour_share": st.floats(1 / 24, 1),
    }
)


def judged(values: dict[str, Range]) -> Answer:
    return answer({name: Input(value=value, source="made up") for name, value in values.items()}, "USD")


@given(numbers=NUMBERS)
def test_the_verdict_is_what_the_figures_say(numbers: dict[str, float]) -> None:
    came = judged({name: exactly(value) for name, value in numbers.items()})
    api, electricity = came.figures["api_cost_per_month"], came.figures["electricity_cost_per_month"]
    assert api is not None
    assert electricity is not None
    busy = came.figures["busy_share"]
    assert busy is not None
    months = numbers["hardware_price"] / (api.point - electricity.point) if api.point > electricity.point else math.inf
    if busy.point > 1:
        assert came.verdict == "cannot_do_the_load"
    elif months == math.inf:
        assert came.verdict == "never"
    else:
        assert came.verdict == ("pays_off" if months <= numbers["life_years"] * 12 else "not_within_life")


@given(numbers=NUMBERS, widths=st.lists(st.floats(0, 0.3), min_size=13, max_size=13), at=st.floats(0, 1))
def test_whatever_lies_within_the_ranges_has_figures_within_the_intervals(
    numbers: dict[str, float], widths: list[float], at: float
) -> None:
    """The corners bound every point between them, in the loads that the machine can do."""
    picked = ["hardware_price", "calls_per_day", "tokens_out", "api_output_price", "tps", "watts", "electricity_price"]
    ranges = {name: exactly(value) for name, value in numbers.items()}
    ranges |= {name: between(numbers[name], numbers[name] * (1 + wide)) for name, wide in zip(picked, widths)}  # noqa: B905
    whole = judged(ranges)
    if whole.can_do in ("no", "perhaps"):
        return
    inside = judged({name: exactly(each.low + at * (each.high - each.low)) for name, each in ranges.items()})
    for name, value in inside.figures.items():
        bounds = whole.figures[name]
        assert bounds is not None
        assert value is not None
        assert bounds.low * (1 - 1e-9) <= value.point <= bounds.high * (1 + 1e-9), name


@given(numbers=NUMBERS, rate=st.floats(0.01, 100))
def test_a_break_even_is_the_same_in_every_currency(numbers: dict[str, float], rate: float) -> None:
    rates = Rates({"EUR": rate})
    ours = {name: exactly(value) for name, value in numbers.items()}
    theirs = {
        name: rates.convert(Money(value, "EUR"), "USD", name) if INPUTS[name].unit == "money" else value
        for name, value in ours.items()
    }
    here, there = (judged(values).figures["break_even_months"] for values in (ours, theirs))
    assert (here is None) == (there is None)
    if here is not None and there is not None and here.point < 1e9:
        assert there.point == pytest.approx(here.point, rel=1e-6)
    back = rates.convert(Money(theirs["hardware_price"], "USD"), "EUR", "it")
    assert back.point == pytest.approx(numbers["hardware_price"])
