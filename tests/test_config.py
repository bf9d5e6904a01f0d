"""The user's own file: what it may hold, how it is changed, what it does, and what is said of one that is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.cli.main import main
from bakeoff.config import KEYS, checked, config_path, kind_of, parse_key, read_settings, with_value, without_value
from bakeoff.engines.openai import OpenAICompatible
from bakeoff.errors import UsageError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.hardware.dated import Dated, is_old, old_note
from bakeoff.hardware.prices import price_of, prices

DOCS = Path(__file__).parent.parent / "docs" / "config.md"
WRITTEN = """\
# Mine.
currency = "EUR"

[electricity]
price = 0.31  # by the bill
date = 2026-05-01

[hardware.rtx-4090]
price = 2600
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    return tmp_path


def written(home: Path, text: str = WRITTEN) -> None:
    (home / "config.toml").write_text(text, encoding="utf-8")


def test_without_a_file_nothing_is_set(home: Path) -> None:
    assert read_settings().values == {}
    assert config_path() == home / "config.toml"


def test_without_a_home_of_its_own_it_lies_in_the_platforms_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BAKEOFF_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    assert config_path().name == "config.toml"
    assert "bakeoff" in config_path().parts


def test_what_is_written_is_read_with_dates_as_text_and_numbers_as_numbers(home: Path) -> None:
    written(home)
    settings = read_settings()
    assert settings.currency == "EUR"
    assert settings.number("electricity", "price") == 0.31
    assert settings.text("electricity", "date") == "2026-05-01"
    assert settings.named("hardware") == ["rtx-4090"]


def test_a_value_is_set_where_it_stands_and_comments_stay() -> None:
    text = with_value(WRITTEN, ("electricity", "price"), 0.4)
    assert text == WRITTEN.replace("0.31", "0.4")


def test_a_new_key_joins_its_table_and_a_new_table_comes_last() -> None:
    text = with_value(WRITTEN, ("electricity", "currency"), "CHF")
    assert '[electricity]\ncurrency = "CHF"\nprice = 0.31' in text
    text = with_value(text, ("rates", "CHF"), 1.2)
    assert text.endswith("\n[rates]\nCHF = 1.2\n")
    assert checked(text).number("rates", "CHF") == 1.2


def test_a_key_of_no_table_comes_first() -> None:
    assert with_value("[rates]\nEUR = 1.1\n", ("currency",), "EUR").startswith('currency = "EUR"\n[rates]')


def test_what_is_taken_out_leaves_the_rest_as_it_was() -> None:
    assert without_value(WRITTEN, ("electricity", "price")) == WRITTEN.replace("price = 0.31  # by the bill\n", "")
    with pytest.raises(UsageError, match="is not set"):
        without_value(WRITTEN, ("meter", "wall"))


def test_a_file_that_is_written_in_another_way_is_left_alone() -> None:
    with pytest.raises(UsageError, match="edit it by hand"):
        with_value("electricity = {price = 1}\n", ("electricity", "price"), 2.0)


PLACES = st.sampled_from([name.replace("*", "EUR") for name in KEYS if not name.startswith("rates")]).map(
    lambda name: tuple(name.split("."))
)


@given(places=st.lists(st.tuples(PLACES, st.floats(0.001, 1e6)), max_size=8))
def test_whatever_is_set_is_read_again_and_all_of_it_can_be_taken_out(
    places: list[tuple[tuple[str, ...], float]],
) -> None:
    wanted, text = {}, ""
    for place, number in places:
        kind = kind_of(place)
        value = {
            "currency": "EUR", "date": "2026-01-31", "text": 'a "text"', "address": "http://h:1"
        }.get(kind or "", number)  # fmt: skip
        wanted[place] = value
        text = with_value(text, place, value)
    assert checked(text).values == wanted
    for place in wanted:
        text = without_value(text, place)
    assert checked(text).values == {}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[electricity]\nprise = 1\n", 2, "there is no key electricity.prise. Did you mean electricity.price?"),
        ("\n[electricity]\nprice = 'much'\n", 3, "electricity.price has to be a number, 0 or more"),
        ("[electricity]\nprice = -1\n", 2, "electricity.price has to be a number, 0 or more"),
        ("[electricity]\nprice = nan\n", 2, "electricity.price has to be a number"),
        ("[electricity]\nprice = true\n", 2, "electricity.price has to be a number"),
        ("[hardware.rtx-4090]\nprice = 0\n", 2, "hardware.rtx-4090.price has to be a number above 0"),
        ("[hardware]\nrtx-4090 = 2600\n", 2, "hardware.rtx-4090 is a table, of: hardware.*.price"),
        ("electricity = 1\n", 1, "electricity is a table"),
        (
            "[electricity.price]\nEUR = 1\n",
            1,
            "electricity.price has to be a number, 0 or more, up to a billion, not a table",
        ),
        ('currency = "euro"\n', 1, "currency has to be a currency of three letters"),
        ("[rates]\nUSD = 2\n", 2, "in US dollars"),
        ("[rates]\nEUR = 1.1\n\neur = 1.2\n", 2, "rates.EUR is there twice"),
        ("[hardware.rtx-4090]\nprice = 1e10\n", 2, "up to a billion"),
        ("[rates]\neuro = 1.1\n", 2, "of a currency of three letters"),
        ('[electricity]\ndate = "May"\n', 2, "electricity.date has to be a date"),
        ('[engine]\nurl = "localhost"\n', 2, "engine.url has to be an address"),
        ("[engine\n", 1, "this is not TOML"),
        ('[engine]\nurl = "http://me:secret@h"\n', 2, "looks like a secret"),
        ('[api."a:b"]\napi_key = "x"\n', 2, "OPENAI_API_KEY for servers"),
        ('token = "x"\n', 1, "HASS_TOKEN for Home Assistant"),
        ('[meter]\nwall = "sk-12345"\n', 2, "Put it into the environment"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str, home: Path) -> None:
    written(home, text)
    with pytest.raises(UsageError) as caught:
        read_settings()
    assert words in str(caught.value)
    assert re.match(rf"{re.escape(str(home / 'config.toml'))}, line {line}(?:, column \d+)?: ", str(caught.value))


def test_a_currency_is_one_whether_in_capitals_or_not() -> None:
    text = with_value("[rates]\neur = 1.1\n", parse_key("rates.EUR"), 1.2)
    assert text == "[rates]\neur = 1.2\n"
    assert checked(text).number("rates", "EUR") == 1.2
    assert without_value(text, parse_key("rates.eur")) == "[rates]\n"


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = [1"])
def test_a_file_that_cannot_be_read_as_toml_gets_a_sentence_about_the_file(text: str, home: Path) -> None:
    written(home, text)
    with pytest.raises(UsageError, match=r"config.toml(?:, line 1, column 7: this is not TOML| is nested too deeply)"):
        read_settings()


def test_a_secret_is_not_repeated(home: Path) -> None:
    written(home, '[meter]\nwall = "sk-12345"\n')
    with pytest.raises(UsageError) as caught:
        read_settings()
    assert "12345" not in str(caught.value)


def test_what_is_no_text_at_all_is_a_sentence(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "config.toml").write_bytes(b"\xff\xfe")
    assert main(["config"]) == 1
    assert "not UTF-8 text" in capsys.readouterr().err


# The command


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["config", *arguments]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.out if code == 0 else printed.err


def test_what_is_set_is_shown_got_and_taken_out(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    assert "Nothing is set yet" in said(capsys)
    said(capsys, "set", "electricity.price", "0.310")
    said(capsys, "set", 'api."deepseek:deepseek-reasoner".output_price', "2.19")
    assert said(capsys, "get", "electricity.price") == "0.31\n"
    assert "electricity.price = 0.31\n" in said(capsys, "list")
    document = json.loads(said(capsys, "list", "--json"))
    assert document["values"]['api."deepseek:deepseek-reasoner".output_price'] == 2.19
    said(capsys, "unset", "electricity.price")
    assert "is not set" in said(capsys, "get", "electricity.price", code=1)
    assert said(capsys, "path") == f"{home / 'config.toml'}\n"


def test_all_that_can_be_set_is_listed_and_documented(capsys: pytest.CaptureFixture[str]) -> None:
    listed, documented = said(capsys), DOCS.read_text(encoding="utf-8")
    for name, (_, what) in KEYS.items():
        assert f"{name} " in listed
        assert f"| `{name}` | {what}" in documented


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("hardware.rtx-4909.price", "2600", "Did you mean RTX 4090"),
        ("electricity.country", "Germny", "Did you mean Germany?"),
        ("api.deepseek.output_price", "2", "PROVIDER:MODEL"),
        ("electricity.price", "-0.3", "a number, 0 or more"),
        ("electricity.price", "cheap", "a number, 0 or more"),
        ("electricity.date", "2999-01-01", "2999-01-01 is still to come"),
        ("electricty.price", "0.3", "Did you mean electricity.price?"),
        ("a b", "0.3", "is not a key"),
        ("x\n[rates]", "0.3", "is not a key"),
        ("openai_api_key", "abc", "looks like a secret"),
    ],
)
def test_what_cannot_be_set_is_a_sentence_and_changes_nothing(
    key: str, value: str, words: str, capsys: pytest.CaptureFixture[str], home: Path
) -> None:
    assert words in said(capsys, "set", key, value, code=2)
    assert not (home / "config.toml").exists()


def test_a_file_that_is_wrong_is_not_changed(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    written(home, "[electricity]\nprise = 1\n")
    assert "line 2" in said(capsys, "set", "currency", "EUR", code=2)
    assert (home / "config.toml").read_text() == "[electricity]\nprise = 1\n"


def test_the_pages_example_is_a_file_and_its_commands_work(home: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert checked(example).number("hardware", "rtx-4090", "price") == 2600
    written(home, example)
    commands = re.findall(r"`(bakeoff config[^`]*)`", page)
    assert len(commands) > 5
    for command in commands:
        assert main(command.split()[1:]) == 0


def test_keys_are_read_as_toml_has_them() -> None:
    assert parse_key('api."a.b:c".input_price') == ("api", "a.b:c", "input_price")


# What it does


def test_your_price_replaces_ours_wherever_hardware_is_priced(home: Path) -> None:
    written(home, '[hardware."RTX 4090"]\nprice = 2600\ndate = "2026-05-01"\n')
    (mine,) = [price for price in prices() if "4090" in price.hardware]
    assert (mine.usd, mine.date, mine.source) == (2600.0, "2026-05-01", "your configuration")
    assert price_of("rtx-4090") == mine


def test_your_price_in_another_currency_needs_its_rate_in_a_budget(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(home, '[hardware.rtx-4090]\nprice = 2500\ncurrency = "EUR"\n')
    assert main(["plan", "r1-7b", "--budget", "3000", "--on", "rtx-4090"]) == 2
    assert "bakeoff config set rates.EUR" in capsys.readouterr().err
    written(home, '[rates]\nEUR = 1.1\n[hardware.rtx-4090]\nprice = 2500\ncurrency = "EUR"\n')
    (mine,) = [price for price in prices() if price.hardware == "rtx-4090"]
    assert mine.usd == pytest.approx(2750)


def test_your_bandwidth_replaces_the_catalogues_and_is_said(home: Path) -> None:
    ours = find_machine("rtx-4090").devices[0].bandwidth_bytes_s
    written(home, "[hardware.rtx-4090]\nbandwidth_gb_s = 900\n")
    machine = find_machine("NVIDIA GeForce RTX 4090")
    assert machine.devices[0].bandwidth_bytes_s == 900e9 != ours
    assert "RTX 4090: 900 GB/s are from your configuration." in machine.notes
    assert find_machine("rtx-4080-super").devices[0].bandwidth_bytes_s != 900e9


def test_a_bandwidth_is_for_the_variant_that_its_memory_names(home: Path) -> None:
    small = find_machine("m3-max-36gb").devices[0].bandwidth_bytes_s
    written(home, "[hardware.m3-max-48gb]\nbandwidth_gb_s = 350\n")
    assert find_machine("m3-max-48gb").devices[0].bandwidth_bytes_s == 350e9
    assert find_machine("m3-max-36gb").devices[0].bandwidth_bytes_s == small


def test_your_server_is_asked_where_no_address_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(UsageError, match="add --url"):
        OpenAICompatible("any", None)
    written(home, '[engine]\nurl = "http://127.0.0.1:8123"\n')
    assert OpenAICompatible("any", None)._base == "http://127.0.0.1:8123"
    assert OpenAICompatible("any", "http://127.0.0.1:9")._base == "http://127.0.0.1:9"


def test_your_wall_meter_is_read_unless_another_or_none_is_wanted(home: Path) -> None:
    from bakeoff.cli.meter_options import meters_of

    written(home, '[meter]\nwall = "shelly://plug"\n')
    assert meters_of({"meters": "auto", "wall": None}).wall == "shelly://plug"
    assert meters_of({"meters": "auto", "wall": "tasmota://other"}).wall == "tasmota://other"
    assert meters_of({"meters": "none", "wall": None}).wall is None


# Age


def test_what_is_older_than_180_days_is_old_and_not_before() -> None:
    assert not is_old("2026-01-01", today="2026-06-30")
    assert is_old("2026-01-01", today="2026-07-01")
    assert not is_old(None)


def test_old_prices_and_specifications_are_named_with_their_dates() -> None:
    dated = [
        Dated("price", "rtx-4090", "2025-03-01"),
        Dated("price", "rtx-3090", "2025-03-01"),
        Dated("price", "mine", None),
        Dated("price", "new", "2026-11-01"),
        Dated("specification", "RTX 4090", "2025-12-15"),
    ]
    assert old_note(dated, today="2026-11-25") == (
        "Older than 180 days, look again: price of rtx-4090, rtx-3090 (2025-03-01); "
        "specification of RTX 4090 (2025-12-15)."
    )
    assert old_note(dated[2:4], today="2026-11-25") is None


def test_a_plan_says_which_of_its_prices_are_old(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    written(home, '[hardware.rtx-4090]\nprice = 2600\ndate = "2020-01-01"\n')
    assert main(["plan", "r1-7b@q4_K_M", "--budget", "3000", "--on", "rtx-4090"]) == 0
    screen = " ".join(capsys.readouterr().out.split())
    assert "price of rtx-4090 (2020-01-01)" in screen
