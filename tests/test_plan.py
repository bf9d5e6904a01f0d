"""The plan as a user asks for it: rows, recommendations, budgets, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fit import article
from msgspec import Struct

from bakeoff.cli.main import main
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.prices import prices
from bakeoff.planning.choice import LOSS, Fits, Needs, choose
from bakeoff.planning.rows import Asked, plan
from bakeoff.planning.sources import sources_of
from bakeoff.report.plan import range_text
from bakeoff.results.records import Figure

R1 = ["r1-1.5b", "r1-7b", "r1-8b", "r1-14b", "r1-32b", "r1-70b", "r1-671b"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    assert main(["plan", *arguments, "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["rows"]
    return found


def test_without_a_model_the_whole_family_is_planned_for_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert list(dict.fromkeys(row["model"] for row in found)) == R1
    assert len(found) == len(R1) * 6


def test_rows_keep_the_order_that_was_asked_for_on_each_machine(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "r1-14b@q8", "r1-7b@fp16", "--on", "rtx-4090,m3-max-48gb", "--on", "2x-rtx-3090")
    assert [(row["model"], row["quant"]) for row in found] == [("r1-14b", "Q8_0"), ("r1-7b", "F16")] * 3
    assert [row["hardware"] for row in found[::2]] == ["RTX 4090", "Apple M3 Max 40c 48 GB", "2 × RTX 3090"]


def test_a_row_has_every_key_that_is_promised(capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = rows(capsys, "r1-7b@q4_K_M", "--on", "rtx-4090", "--context", "8k")
    assert row["context"] == 8192
    assert {"fits", "condition", "weights_bytes", "file_bytes", "kv_bytes", "buffer_bytes", "total_bytes", "reason",
            "usable_bytes", "max_context", "gpu_layers", "prefill_tps", "ttft_s",
            "recommended"} <= set(row)  # fmt: skip
    for name in ("decode_tps", "decode_tps_at_context"):
        figure = row[name]
        assert isinstance(figure, dict)
        assert figure["low"] < figure["point"] < figure["high"] <= row["bandwidth_limit_tps"]
        assert figure["confidence"] == 0.8


def test_mlx_rows_are_planned_beside_llama_cpps_on_a_mac_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["quant"] for row in rows(capsys, "r1-7b", "--on", "m3-max")][-2:] == ["4bit", "8bit"]
    assert "4bit" not in [row["quant"] for row in rows(capsys, "r1-7b", "--on", "rtx-4090")]


def test_a_model_file_is_planned_by_its_header(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["synth", "smollm2-135m@Q8_0", "-o", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.gguf")
    capsys.readouterr()
    (row,) = rows(capsys, str(path), "--on", "rtx-4090")
    assert (row["model"], row["quant"], row["file_bytes"]) == (path.name, "Q8_0", path.stat().st_size)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--on", "rtx-4090"], ["r1-70b", "--on", "rtx-4090", "--on", "m3-max-48gb"], ["r1-32b", "--budget", "3800"],
     ["r1-7b", "--on", "m4-pro,rtx-5090,rtx-3090,l4"]],
)  # fmt: skip
def test_the_screen_answers_in_80_columns(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", *arguments]) == 0
    screen = capsys.readouterr().out
    assert max(map(len, screen.splitlines())) <= 80
    assert "→" in screen or "✗" in screen
    assert "…" not in screen


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["r1-7c"], "Did you mean r1-7b"),
        (["r1-7b@q9"], "No quantization 'q9'"),
        (["r1-7b", "--on", "rtx-4909"], "Did you mean RTX 4090"),
        (["r1-7b", "--budget", "50"], "The cheapest is rtx-5070"),
        (["r1-7b", "--budget", "5000", "--price", "rtx-4090"], "is not a price"),
        (["r1-7b", "--budget", "5000", "--price", "rtx-4090=2,19"], "is not a price"),
        (["r1-7b", "--price", "rtx-4090=1"], "--price is for --budget"),
        (["r1-7b", "--host-memory", "32"], "add --on"),
        (["r1-7b", "--context", "0"], "not a number of tokens"),
        (["r1-7b", "--context", "1,6k"], "not a number of tokens"),
        (["r1-7b", "--engine", "vllm", "--kv-type", "q8_0", "--on", "rtx-4090"], "vLLM has no Q8_0 cache"),
    ],
)
def test_bad_input_is_a_usage_error_in_a_sentence(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    assert words in capsys.readouterr().err


class Option(Struct):
    """What the rule looks at, made up."""

    quant: str
    fits: Fits = "yes"
    max_context: int = 8192
    likely_tps: float = 50.0
    slow_tps: float = 45.0


def taken(*options: Option, needs: Needs = Needs()) -> str | None:  # noqa: B008 (frozen)
    index = choose(options, needs).index
    return None if index is None else options[index].quant


def test_of_what_fits_and_keeps_the_pace_the_one_that_loses_least_is_taken() -> None:
    assert taken(Option("Q4_K_M"), Option("Q6_K"), Option("Q8_0", likely_tps=9)) == "Q6_K"


def test_what_loses_nothing_that_shows_is_as_good_as_unquantized_and_faster() -> None:
    assert taken(Option("Q8_0", likely_tps=40), Option("F16", likely_tps=20)) == "Q8_0"


def test_a_quantization_that_cannot_hold_the_context_is_not_taken() -> None:
    assert taken(Option("Q8_0", max_context=2048), Option("Q4_K_M")) == "Q4_K_M"


def test_where_all_that_fits_is_too_slow_the_least_loss_among_the_nearly_fastest_is_taken() -> None:
    slow = [Option("Q4_0", likely_tps=6.0), Option("Q4_K_M", likely_tps=5.7), Option("Q8_0", likely_tps=3.0)]
    assert taken(*slow) == "Q4_K_M"


def test_what_fits_comes_before_what_needs_a_setting_and_that_before_a_tight_fit_and_a_split() -> None:
    order: list[Fits] = ["split", "tight", "yes_if", "yes"]
    options = [Option("Q8_0" if fits == "split" else "Q4_0", fits=fits) for fits in order]
    picks = [choose(options[: count + 1], Needs()).index for count in range(4)]
    assert picks == [0, 1, 2, 3]


def test_where_nothing_does_nothing_is_recommended_and_the_reason_says_how_fast_the_best_would_be() -> None:
    choice = choose([Option("Q4_0", fits="split", likely_tps=2.2)], Needs())
    assert choice.index is None
    assert "Q4_0, would do about 2.2 tokens/s" in choice.reason
    assert choose([Option("Q4_0", fits="no")], Needs()).index is None


def test_more_bits_never_lose_more() -> None:
    order = ["Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "F16"]
    assert [LOSS[quant] for quant in order] == sorted((LOSS[quant] for quant in order), reverse=True)


def test_what_is_recommended_fits_and_at_most_one_row_of_a_model_is() -> None:
    for name in ("rtx-4060", "rtx-4090", "m3-max-48gb", "cpu", "2x-rtx-3090"):
        sources = [source for model in R1 for source in sources_of(model, ("Q4_K_M", "Q8_0", "F16"))]
        found = plan(find_machine(name), sources, Asked(), Needs())
        for model in R1:
            chosen = [row for row in found if row.model == model and row.recommended]
            assert len(chosen) <= 1
            assert all(row.fit.fits != "no" for row in chosen)


def test_every_price_is_dated_sourced_and_of_hardware_that_is_known() -> None:
    for price in prices():
        assert price.date
        assert price.source
        assert find_machine(price.hardware)


@pytest.mark.parametrize(
    ("low", "high", "text"), [(0.5, 1.62, "0.5–1.6"), (0.9996, 1.9, "1.0–1.9"), (0.94, 2.0, "0.9–2.0")]
)
def test_a_bound_of_one_token_a_second_has_the_digits_of_its_neighbours(low: float, high: float, text: str) -> None:
    assert range_text(Figure(point=1.0, low=low, high=high)) == text


def test_your_own_price_replaces_ours_and_is_for_the_whole_computer() -> None:
    (mine,) = [price for price in prices(["RTX-4090=2,600"]) if price.hardware == "rtx-4090"]
    assert (mine.usd, mine.date) == (2600.0, None)


def test_the_articles_page_is_what_the_planner_says_today() -> None:
    written = (Path(__file__).parent.parent / "docs" / "article.md").read_text(encoding="utf-8")
    assert written == article.page()


def test_a_plan_loads_neither_numpy_nor_an_http_client() -> None:
    code = (
        "import sys; from bakeoff.cli.main import main; main(['plan', '--json']);"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'httpx')))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
