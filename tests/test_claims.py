"""Files of claims: figures and sums as they are written, and bad files each told in a sentence with its place."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.analysis.claims.claim import METRICS
from bakeoff.analysis.claims.claims_file import SHELF, parse_claims, read_claims
from bakeoff.analysis.claims.command_text import parse_command
from bakeoff.analysis.claims.expression import evaluate, names, parse_expression, worked_out
from bakeoff.analysis.claims.quantity import UNITS, in_unit, parse_quantity
from bakeoff.analysis.claims.verify import verify
from bakeoff.economics.ranges import between, exactly
from bakeoff.errors import FileError, UsageError

HEAD = 'title = "A table"\nsource = "somewhere"\ndate = "2026-01"\n'
CLAIM = '[[claims]]\nid = "a"\nstatement = "It is so"\n'
SUBJECT = 'hardware = "rtx-4090"\nmodel = "r1-7b"\nquant = "Q4_K_M"\ncontext = 2048\n'
DECODE = (
    f'{CLAIM}metric = "decode"\nhardware = "rtx-4090"\nmodel = "r1-7b"\nquant = "Q4_K_M"\nclaimed = "90-110 tok/s"\n'
)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("14 GB", 13.5e9, 14.5e9),
        ("4.7 GB", 4.65e9, 4.75e9),
        ("~14 GB", 13.3e9, 14.7e9),
        ("~0.25 x", 0.2375, 0.2625),
        ("=0.5 x", 0.5, 0.5),
        ("90-110 tok/s", 89.5, 110.5),
        ("50-80 ms", 0.0495, 0.0805),
        ("1,008 GB/s", 1007.5e9, 1008.5e9),
        ("$1,600-2,000", 1599.5, 2000.5),
        ("$2.19/Mtok", 2.185, 2.195),
        ("24 GiB", 23.5 * 2**30, 24.5 * 2**30),
        ("2-3 pp", 0.015, 0.035),
        ("2 × ", 1.5, 2.5),
        ("12,345.5 MB", 12_345.45e6, 12_345.55e6),
        ("1.1 kWh", 1.05 * 3.6e6, 1.15 * 3.6e6),
        ("$0.31/kWh", 0.305 / 3.6e6, 0.315 / 3.6e6),
        ("3 J/token", 2.5, 3.5),
    ],
)
def test_a_figure_stands_for_all_that_rounds_to_it_and_about_for_a_twentieth(
    text: str, low: float, high: float
) -> None:
    found = parse_quantity(text)
    assert found.least == pytest.approx(low)
    assert found.most == pytest.approx(high)


def test_an_open_side_takes_everything_beyond_it() -> None:
    assert parse_quantity(">=300 GB").covers(404e9)
    assert parse_quantity(">=300 GB").covers(300e9)
    assert not parse_quantity(">=300 GB").covers(299e9)
    assert not parse_quantity(">10 tok/s").covers(10)
    assert parse_quantity("<=400 GB/s").covers(400e9)
    assert not parse_quantity("!=75 km/h").covers(75)
    assert parse_quantity("!=75 km/h").covers(72)
    assert parse_quantity(">=90 months").covers(math.inf)
    assert not parse_quantity("90 months").covers(math.inf)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("90-110", "has no unit"),
        ("110-90 tok/s", "upside down: write the lower number first, 90-110 tok/s"),
        ("50 ms-0.08 s", "two units"),
        ("4 GB - 5000 MB", "two units"),
        ("fast", "is not a figure"),
        ("", "is not a figure"),
        ("90 toks/s", "Did you mean 'tok/s'?"),
        ("5 gb", "Did you mean 'GB'?"),
        (">=3-4 x", "a sign and a range"),
        ("2,19 USD", "is not a figure"),
        ("1.2.3 GB", "is not a figure"),
        ("12 GIB", "Did you mean 'GiB'?"),
        ("300 EUR", "Money is told in USD"),
        ("€300", "Money is told in USD"),
        ("0.31 EUR/kWh", "Money is told in USD"),
    ],
)
def test_a_bad_figure_is_told_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence.replace("?", r"\?")):
        parse_quantity(text)


@given(
    st.floats(0.001, 1e6), st.floats(0, 1e6), st.sampled_from([unit for unit in UNITS if unit != "x"]),
)  # fmt: skip
def test_a_range_covers_its_ends_and_its_middle(low: float, more: float, unit: str) -> None:
    low, high = float(f"{low:.6f}"), float(f"{low + more:.6f}")
    found = parse_quantity(f"{low:.6f}-{high:.6f} {unit}")
    for value in (found.low, found.middle, found.high):
        assert found.covers(value * found.scale)
    assert not found.covers((found.high * 1.01 + 1e-5) * found.scale)


def test_a_value_is_written_in_its_unit() -> None:
    assert in_unit(42.52e9, "GB") == "42.5 GB"
    assert in_unit(1008e9, "GB/s") == "1,008 GB/s"
    assert in_unit(2.0, "x") == "2×"
    assert in_unit(math.inf, "months") == "never"


def test_a_sum_is_worked_out_with_its_numbers() -> None:
    node = parse_expression("(120 + 180) / (120 / 60 + 180 / 90)")
    assert evaluate(node, {}).point == 75
    assert worked_out(node, {}) == "(120 + 180) / (120 / 60 + 180 / 90)"


def test_a_sum_over_ranges_reaches_from_its_least_to_its_greatest_value() -> None:
    values = {"a": between(90, 110), "b": between(35, 45)}
    found = evaluate(parse_expression("a / b"), values)
    assert (found.low, found.point) == (2.0, 2.5)
    assert found.high == pytest.approx(110 / 35)
    assert evaluate(parse_expression("high(a) / low(b)"), values).point == pytest.approx(110 / 35)
    assert evaluate(parse_expression("mid(a) - -low(b) × 2 ÷ 7"), values).point == pytest.approx(110)
    assert evaluate(parse_expression("min(a, 2 * b) - max(1, 2)"), {"a": exactly(3), "b": exactly(1)}).point == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 +", "a number, a name or '\\('"),
        ("1 2", "an operator or the end"),
        ("(1", "'\\)' has to come here"),
        ("__import__", "cannot hold '_'"),
        ("a.b", "cannot hold '.'"),
        ("2 ** 9", "a number, a name"),
        ("open(a)", "no function 'open'"),
        ("low(1)", "takes the id of one claim"),
        ("1/0", "divides by zero"),
        ("9e99 * 9e99 * 9e99 * 9e99", "too large"),
        ("(" * 60 + "1" + ")" * 60, "nested too deeply"),
        ("1" * 500, "at most 400 characters"),
    ],
)
def test_a_bad_sum_is_told_in_a_sentence_and_nothing_is_run(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        evaluate(parse_expression(text), {})


@given(st.text("0123456789.+-*/×÷()abclowhightmnx, ", max_size=60))
def test_any_text_is_a_sum_or_a_sentence(text: str) -> None:
    try:
        node = parse_expression(text)
        found = evaluate(node, dict.fromkeys(names(node), exactly(2.0)))
    except UsageError:
        return
    assert found.low == found.high or math.isnan(found.low)


SUMS = st.recursive(
    st.integers(1, 9).map(str),
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
    max_leaves=6,
)


@given(SUMS)
def test_a_sum_comes_out_as_arithmetic_has_it_and_so_does_what_is_shown_of_it(text: str) -> None:
    wanted = eval(text)  # digits and + - * alone
    node = parse_expression(text)
    assert evaluate(node, {}).point == wanted
    assert evaluate(parse_expression(worked_out(node, {})), {}).point == wanted


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("title = ", "line 1, column 9", "this is not TOML"),
        (HEAD, "line 1, column 1", "the key 'claims' is missing"),
        (HEAD + CLAIM + 'metric = "decod"\nclaimed = "1 s"', "line 7, column 10", "Did you mean 'decode'?"),
        (HEAD + CLAIM + 'metric = "decode"\nclaimd = "1 s"', "line 8, column 1", "Did you mean 'claimed'?"),
        (HEAD + DECODE.replace("rtx-4090", "rtx-4900"), "line 8, column 12", "Did you mean RTX 4090"),
        (HEAD + DECODE.replace("r1-7b", "r1-7"), "line 9, column 9", "Did you mean r1-7b"),
        (HEAD + DECODE.replace("Q4_K_M", "Q4_K_X"), "line 10, column 9", "Did you mean Q4_K_S or Q4_K_M"),
        (HEAD + DECODE.replace(" tok/s", ""), "line 11, column 11", "has no unit"),
        (HEAD + DECODE.replace("tok/s", "GB"), "line 11, column 11", "decode is measured in rate, and 'GB' is bytes"),
        (HEAD + DECODE.replace("90-110", "110-90"), "line 11, column 11", "upside down"),
        (HEAD + DECODE.replace("90-110 tok/s", "90 tok/s-110 ms"), "line 11, column 11", "two units"),
        (HEAD + DECODE.replace('quant = "Q4_K_M"\n', ""), "line 4, column 1", "decode needs the key 'quant'"),
        (HEAD + DECODE + DECODE, "line 13, column 6", "there is another claim 'a'"),
        (HEAD + DECODE + "gpu_share = 1.5", "line 12, column 13", "of at most 1"),
        (HEAD + DECODE + "gpu_share = 0.5\ngpu_layers = 3", "line 12, column 1", "not both"),
        (HEAD + CLAIM + 'metric = "fits"\nhardware = "rtx-4090"\nmodel = "r1-7b"\nquant = "Q8_0"\nclaimed = "maybe"',
         "line 11, column 11", "fits is one of: yes, tight, split, no"),
        (HEAD + CLAIM + 'metric = "ratio"\nof = ["a", "b"]\nclaimed = "2 x"', "line 8, column 12",
         "there is no claim 'b'"),
        (HEAD + CLAIM + 'metric = "sum"\nexpression = "x / 2"\nclaimed = "2 x"', "line 8, column 14", "no claim 'x'"),
        (HEAD + CLAIM + 'metric = "sum"\nexpression = "2 +"\nclaimed = "2 x"', "line 8, column 14", "has to come here"),
        (HEAD + CLAIM + 'metric = "method"\nclaimed = "plain_mean"', "line 4, column 1", "needs the table [protocol]"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { prise = 1 }\nclaimed = "2 months"', "line 8, column 11",
         "break_even takes no 'prise'"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = 3000 }\nclaimed = "2 months"',
         "line 8, column 9", "break_even needs 'calls_per_day': calls a day"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = -3000 }\nclaimed = "2 months"',
         "line 8, column 28", "hardware_price is -3000: it cannot be negative"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = 0 }\nclaimed = "2 months"',
         "line 8, column 28", "hardware_price is 0: it must be above 0"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = 9, calls_per_day = 0, tokens_out = 1, '
         'api_output_price = 1 }\nclaimed = "2 months"', "line 8, column 47", "calls_per_day is 0: it must be above 0"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = 9, calls_per_day = 1, tokens_out = 1, '
         'api_output_price = 1, resale = 50 }\nclaimed = "2 months"', "line 8, column 9", "resale 50 is not below"),
        (HEAD + CLAIM + 'metric = "break_even"\nwhere = { hardware_price = 9, calls_per_day = 1, tokens_out = 1, '
         'api_output_price = 1 }\nalso = { tps = 0 }\nclaimed = "2 months"', "line 9, column 16", "tps is 0: it must"),
        (HEAD + DECODE + CLAIM.replace('"a"', '"b"') + 'metric = "break_even"\nwhere = { hardware_price = "a", '
         'calls_per_day = 1, tokens_out = 1, api_output_price = 1 }\nclaimed = "2 months"', "line 16, column 28",
         "hardware_price is money, and 'a' is rate"),
        (HEAD + DECODE + CLAIM.replace('"a"', '"b"') + 'metric = "break_even"\nwhere = { hardware_price = 9, '
         'calls_per_day = "a", tokens_out = 1, api_output_price = 1 }\nclaimed = "2 months"', "line 16, column 47",
         "calls_per_day takes a number"),
        (HEAD + CLAIM + 'metric = "sum"\nexpression = "2 * a"\nclaimed = "2 x"', "line 8, column 14",
         "'a' cannot be reckoned from itself"),
        (HEAD + CLAIM + 'metric = "ratio"\nof = ["a", "a"]\nclaimed = "2 x"', "line 8, column 6",
         "'a' cannot be reckoned from itself"),
        (HEAD + CLAIM + 'metric = "versions"\nranges = ["3.9+", "new"]\nclaimed = "agree"', "line 8, column 19",
         "'new' names no version"),
        (HEAD + CLAIM + 'metric = "versions"\nranges = ["3.12-3.9"]\nclaimed = "agree"', "line 8, column 11",
         "'3.12-3.9' is upside down"),
        (HEAD + DECODE.replace("90-110", "9" * 300), "line 11, column 11", "too large to be a figure"),
        (HEAD + DECODE + "host_gb_s = 1e-300", "line 12, column 13", "of at least 1"),
        (HEAD.replace('"2026-01"', "2026-01-31") + DECODE, "line 3, column 8", "has to be a text, not a date"),
        (HEAD + CLAIM + 'metric = "sum"\nexpression = "a"\nwhere = { a = nan }\nclaimed = "2 months"',
         "line 9, column 15", "a is nan: give a finite number"),
        (HEAD + CLAIM + 'metric = "answer"\ntask = "article-trian"\nclaimed = "75"',
         "line 8, column 8", "Did you mean 'article-train'"),
        (HEAD + DECODE + DECODE.replace('"a"', '"b"').replace("90-110 tok/s", "5 GB").replace("decode", "weights")
         + CLAIM.replace('"a"', '"c"') + 'metric = "ratio"\nof = ["a", "b"]\nclaimed = "2 x"', "line 24, column 6",
         "units are mixed: rate over bytes"),
        (HEAD + CLAIM.replace('"a"', '"A b"') + 'metric = "words"\nclaimed = "x"', "line 5, column 6", ""),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_in_a_sentence_with_line_and_column(text: str, place: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_claims("mine.toml", text)
    assert str(caught.value).startswith(f"mine.toml, {place}: ")
    assert sentence in str(caught.value)


def test_a_file_names_models_of_the_catalogue_only_and_reads_none(tmp_path: Path) -> None:
    for model in (str(tmp_path / "secret.gguf"), "https://127.0.0.1:1/model.gguf", "hf:a/b", "../x.gguf"):
        with pytest.raises(UsageError, match="in the catalogue"):
            parse_claims("mine.toml", HEAD + DECODE.replace("r1-7b", model))


def test_a_claims_own_conditions_go_before_the_files() -> None:
    text = HEAD + '[conditions]\nengine = "ollama"\ncontext = 2048\ngpu_layers = 7\n' + DECODE + "context = 8192\n"
    claim = parse_claims("mine.toml", text + "gpu_share = 0.4\n").stated["a"].claim
    assert (claim.engine, claim.context, claim.gpu_share, claim.gpu_layers) == ("ollama", 8192, 0.4, None)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean article"):
        read_claims("artikle")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="not UTF-8"):
        read_claims(str(tmp_path / "x.toml"))
    (tmp_path / "big.toml").write_text("#" * (1 << 20) + "\n")
    with pytest.raises(FileError, match="is larger than"):
        read_claims(str(tmp_path / "big.toml"))


@pytest.mark.parametrize("name", SHELF.names())
def test_every_file_in_the_package_says_where_and_when_it_was_published(name: str) -> None:
    claims = read_claims(name)
    assert claims.about.source
    assert claims.about.date.startswith("20")
    assert (claims.about.url or "").startswith("https://")
    assert len(claims.stated) == len(claims.about.claims)


@pytest.mark.parametrize(
    ("text", "engine", "model", "quant", "there"),
    [
        ("ollama pull deepseek-r1:7b-q4_K_M", "ollama", "r1-7b", "Q4_K_M", False),
        ("ollama run deepseek-r1:14b-qwen-distill-q8_0", "ollama", "r1-14b", "Q8_0", True),
        ("ollama run deepseek-r1:7b", "ollama", "r1-7b", "Q4_K_M", True),
        ("ollama pull llama3:8b", "ollama", None, "Q4_K_M", True),
        ("A=1 python -m vllm.entrypoints.openai.api_server --model deepseek-ai/DeepSeek-R1-Distill-Qwen-14B \\\n --x 1",
         "vllm", "r1-14b", "BF16", True),
        ("vllm serve deepseek-ai/DeepSeek-R1-Distill-Qwen-7B --max-model-len=4096", "vllm", "r1-7b", "BF16", True),
        ("vllm serve Qwen/Qwen3-8B", "vllm", "qwen3-8b", "BF16", False),
        ("mlx_lm.generate --model mlx-community/DeepSeek-R1-Distill-Qwen-7B-4bit --prompt 'a b'", "mlx", "r1-7b",
         "4bit", True),
        ("llama-server -hf unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF:Q8_0 -c 8192", "llamacpp", "r1-7b", "Q8_0", True),
    ],
)  # fmt: skip
def test_a_command_is_read_for_engine_model_and_quantization(
    text: str, engine: str, model: str | None, quant: str, there: bool
) -> None:
    read = parse_command(text)
    assert read is not None
    assert (read.engine, read.model, read.quant) == (engine, model, quant)
    assert (read.known is not None or read.moving) == there


def test_a_command_that_starts_no_model_is_none_and_open_quotes_are_told() -> None:
    assert parse_command("pip install vllm") is None
    assert parse_command("") is None
    with pytest.raises(UsageError, match="cannot be read"):
        parse_command("ollama run 'x")


PAGE = (Path(__file__).parent.parent / "docs" / "claims.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_a_file_of_claims_and_comes_to_what_the_page_makes_one_expect() -> None:
    text = PAGE.split("```toml\n")[1].split("```")[0]
    found = {each.claim.id: each.verdict for each in verify(parse_claims("page.toml", text))}
    assert found == {"speed": "impossible", "room": "holds", "twice": "impossible"}


def test_the_page_lists_every_metric_with_what_it_needs_and_every_unit() -> None:
    for name, rule in METRICS.items():
        words = f": {', '.join(rule.words)}" if rule.words and name != "method" else ""
        needs = f" {', '.join(rule.needs)} " if rule.needs else " "
        assert f"| {name} | {rule.what}{words} |{needs}|" in PAGE
    for word in (*METRICS["method"].words, *UNITS):
        assert word in PAGE


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("size + cache", "units are mixed: GB and MB"),
        ("max(size, 2 * low(cache) - high(cache))", "units are mixed: GB and MB"),
        ("low(size) - high(cache)", "units are mixed: GB and MB"),
        ("size / cache", "units are mixed: GB and MB"),
        ("size + rate", "units are mixed: GB and tok/s"),
        ("size / rate", None),
        ("size + cache / 1000", None),
        ("min(size, size) / -size", None),
    ],
)
def test_a_sum_of_unlike_units_is_told_unless_a_number_brings_them_together(expression: str, told: str | None) -> None:
    body = "".join(
        f'[[claims]]\nid = "{name}"\nstatement = "x"\nmetric = "{metric}"\nclaimed = "{claimed}"\n{SUBJECT}'
        for name, metric, claimed in (("size", "weights", "4-5 GB"), ("cache", "kv_cache", "500-600 MB"),
                                      ("rate", "decode", "9 tok/s"))
    )  # fmt: skip
    text = HEAD + body + f'{CLAIM}metric = "sum"\nexpression = "{expression}"\nclaimed = "5 GB"\n'
    if told is None:
        parse_claims("mine.toml", text)
        return
    with pytest.raises(UsageError, match=told):
        parse_claims("mine.toml", text)
