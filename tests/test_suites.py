"""Suites: what is read, what is told of a mistake and where, what they come to, what is foreseen, and what is run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import AsyncIterator, Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from bakeoff.cli.main import main
from bakeoff.engines.base import Request, StreamEvent
from bakeoff.engines.scripted import Scripted
from bakeoff.engines.subjects import WITH_QUANT, known_engines
from bakeoff.errors import FileError, UsageError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.results.runfile import read_run
from bakeoff.texts import LARGEST_BYTES
from bakeoff.workload.matrix import MOST_CELLS, Start, starts
from bakeoff.workload.prompts import BINARY_SEARCH, TRAIN
from bakeoff.workload.suite import Settings
from bakeoff.workload.suite_entries import Choice
from bakeoff.workload.suite_file import SuiteFile, built_in, read_suite, schema
from bakeoff.workload.toml_places import Path as Place
from bakeoff.workload.toml_places import Places

MINE = 'engines = ["ollama"]\nsubjects = ["r1-7b@Q4_K_M"]\n'


def there() -> list[str]:
    return ["scripted:steady"]


def come_to(suite: str | SuiteFile, **choice: Any) -> list[Start]:
    file = SuiteFile("mine.toml", suite) if isinstance(suite, str) else suite
    return starts(file, Choice(known=known_engines(), with_quant=WITH_QUANT, there=there, **choice))


def names(found: list[Start]) -> list[str]:
    return [asked.name for start in found for asked in start.asked]


# Places


PLACED = '''\
# a comment with = and [brackets]
a = 1
"b c" = [ 1, "x # ]", 'y"',
  { q = 3, r.s = [ 4 ] } ]  # and another
[t]
k.l = """
many ] = [ "lines" \\"""
"""
z = 1979-05-27T07:32:00Z
[[e]]
n = \'\'\'it's\'\'\'
[[e]]
  n = "d"
[e.sub]
m = -0.5
[[e.more]]
o = true
[x . "y\\u0041"]
w = {}
'''


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("a",), (2, 1), (2, 5)),
        (("b c",), (3, 1), (3, 9)),
        (("b c", 1), (3, 14), (3, 14)),
        (("b c", 2), (3, 23), (3, 23)),
        (("b c", 3, "q"), (4, 5), (4, 9)),
        (("b c", 3, "r", "s", 0), (4, 20), (4, 20)),
        (("t", "k", "l"), (6, 3), (6, 7)),
        (("t", "z"), (9, 1), (9, 5)),
        (("e", 0, "n"), (11, 1), (11, 5)),
        (("e", 1), (12, 1), (12, 1)),
        (("e", 1, "n"), (13, 3), (13, 7)),
        (("e", 1, "sub", "m"), (15, 1), (15, 5)),
        (("e", 1, "more", 0, "o"), (17, 1), (17, 5)),
        (("x", "yA", "w"), (19, 1), (19, 5)),
        (("x", "yA", "absent", 7), (18, 1), (18, 1)),
        (("absent",), (1, 1), (1, 1)),
    ],
)
def test_each_key_and_value_has_its_line_and_column(path: Place, key: tuple[int, int], value: tuple[int, int]) -> None:
    places = Places(PLACED)
    assert places.key(path) == key
    assert places.value(path) == value


def test_the_places_are_those_of_everything_that_toml_itself_finds() -> None:
    def paths(content: Any, path: Place = ()) -> list[Place]:
        inner = content.items() if isinstance(content, dict) else enumerate(content)
        nested = [(*path, step) for step, _ in inner]
        return nested + [
            found
            for step, each in (content.items() if isinstance(content, dict) else enumerate(content))
            if isinstance(each, dict | list)
            for found in paths(each, (*path, step))
        ]

    places = Places(PLACED)
    lines = PLACED.splitlines()
    for path in paths(tomllib.loads(PLACED)):
        line, column = places.key(path)
        assert lines[line - 1][column - 1 :].strip(), path
        if isinstance(path[-1], str) and path[-1].isalpha() and path != ("x", "yA"):
            assert path[-1] in lines[line - 1][column - 1 :], path


@pytest.mark.parametrize("text", ["[", "a", "a = [", "a = {b", '"', "= 1", "[[[", "a = '''", "\x00", "]" * 999])
def test_a_text_that_is_no_toml_comes_to_an_end_all_the_same(text: str) -> None:
    assert Places(text).key(("a",))[0] >= 1


# Mistakes


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("a = ", 1, 5, "this is not TOML: invalid value"),
        ("repeats = 1\nrepeats = 2", 2, 12, "this is not TOML: cannot overwrite"),
        ("subjects = [", 1, 13, "this is not TOML"),
        ('subjcts = ["a"]', 1, 1, "no key 'subjcts' in a suite. Did you mean 'subjects'?"),
        ("\n[settings]\n  contxt = 5", 3, 3, "no key 'contxt' in settings. Did you mean 'context'?"),
        ('subjects = ["scripted:a", { subject = "b", runs = 3 }]', 1, 44, "no key 'runs' in subjects number 2"),
        ("[settings.slo]\nttft = 1", 2, 1, "Did you mean 'ttft_s'?"),
        ("[[exclude]]\nmodel = 1", 2, 1, "no key 'model' in exclude number 1"),
        ('"a\\u001b[31m" = 1', 1, 1, "no key 'a' in a suite"),
        ('[settings]\ncontext = "x"', 2, 11, "has to be a whole number or a list, not a text"),
        ("[settings]\ncontext = [1024,\n  2]", 3, 3, "context number 2 has to be a whole number of at least 16"),
        ("[settings]\ncontext = true", 2, 11, "not true or false"),
        ("[settings]\nmax_tokens = 1.5", 2, 14, "not a number"),
        ("[settings]\ngpu_layers = 'al'", 2, 14, "cannot be 'al'. Did you mean 'all'?"),
        ("[settings]\narrival = 'poison'", 2, 11, "Did you mean 'poisson'?"),
        ("[settings.sampling]\ntemperature = nan", 2, 15, "temperature has to be a number of at least 0"),
        ("[settings]\nsampling = [{ top_p = 0 }]", 2, 23, "has to be a number above 0"),
        ("[measuring]\nruns = 'many'", 2, 8, "cannot be 'many'"),
        ("[measuring]\nprecision = 3", 2, 13, "below 1"),
        ("repeats = 0", 1, 11, "repeats has to be a whole number of at least 1"),
        ("subjects = 'a'", 1, 12, "subjects has to be a list, not a text"),
        ("subjects = [{ context = 2048 }]", 1, 13, "the key 'subject' is missing in subjects number 1"),
        ("settings = 3", 1, 12, "settings has to be a table"),
        ("[instead.vllm]\nQ4_K_M = 4", 1, 1, "an entry of instead has to be a text"),
        ("[instead.vlm]\nQ4_K_M = 'AWQ'", 1, 1, "no engine 'vlm'. Did you mean 'vllm'?"),
        ('engines = ["ollama", "olama"]\nsubjects = ["r1-7b"]', 1, 22, "no engine 'olama'. Did you mean 'ollama'?"),
        ('workloads = ["tg64", "train probem"]', 1, 22, "no shape and no prompt. Did you mean 'train problem'?"),
        ('workloads = ["pp512 @ d64"]', 1, 14, "no shape and no prompt"),
        ('workloads = ["pp512", "PP 512"]', 1, 23, "the workload 'pp512' is there twice"),
        ('subjects = ["scripted:a", "scripted:a"]', 1, 27, "the subject 'scripted:a' is there twice"),
        ('subjects = ["scripted:a"]\n[settings]\ncontext = [2048, 2048]', 1, 1, "is asked twice for train problem"),
        ('workloads = [{ name = "a" }]', 1, 14, "needs a shape, a prompt, a file or prompt_tokens"),
        ('workloads = [{ shape = "pp9", prompt = "b" }]', 1, 14, "only one of them"),
        ('workloads = [{ shape = "pp9", max_tokens = 5 }]', 1, 14, "states its lengths itself"),
        ('workloads = [{ shape = "pp" }]', 1, 24, "'pp' is no shape"),
        ('workloads = [{ prompt = " " }]', 1, 25, "the prompt is empty"),
        ('workloads = ["pp5120"]', 1, 14, "5120 prompt tokens and 1 of answer do not fit a context of 2048"),
        ("[settings]\nmax_tokens = 4096", 1, 1, "train problem: 76 prompt tokens and 4096 of answer do not fit"),
        ("workloads = []", 1, 1, "no cell to measure: it has no subject or no workload"),
        ("subjects = []", 1, 1, "no cell to measure"),
        ('[[exclude]]\nengine = "scr*"', 1, 1, "every cell of it is excluded"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_column(text: str, line: int, column: int, said: str) -> None:
    with pytest.raises(UsageError) as error:
        come_to(text)
    words = str(error.value)
    assert words.startswith(f"mine.toml, line {line}, column {column}: ")
    assert said in words
    assert "\x1b" not in words
    assert len(words) < 400


def test_a_subject_without_an_engine_anywhere_is_told() -> None:
    with pytest.raises(UsageError, match="leaves open which engine runs 'r1-7b': name one with --engine"):
        come_to('subjects = ["r1-7b"]')


def test_a_suite_too_deep_to_be_read_is_refused() -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        come_to("a = " + "[" * 100_000)


def test_a_file_that_is_no_suite_is_refused_with_what_it_is(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.toml", tmp_path / "binary.toml"
    large.write_bytes(b"#" * (LARGEST_BYTES + 1))
    binary.write_bytes(b"a = '\xff'")
    with pytest.raises(FileError, match="larger than 1048576 bytes"):
        read_suite(str(large))
    with pytest.raises(FileError, match="not UTF-8"):
        read_suite(str(binary))
    with pytest.raises(FileError, match="Cannot read the suite"):
        read_suite(str(tmp_path))
    with pytest.raises(UsageError, match="Did you mean article"):
        read_suite("artcle")
    with pytest.raises(UsageError, match="In the package: article, article-gpu, quick"):
        read_suite("nothing like it\x1b[31m")
    with pytest.raises(FileError, match="Cannot read the suite ~nobody-of-that-name"):
        read_suite("~nobody-of-that-name/suite.toml")


def test_more_cells_than_can_be_are_refused_before_they_are_spread_out() -> None:
    many = ", ".join(f'"ollama:m{index}"' for index in range(20_000))
    shapes = ", ".join(f'"pp{index}"' for index in range(1, 1500))
    with pytest.raises(UsageError, match=rf"29,980,000 cells, more than {MOST_CELLS:,}"):
        come_to(f"subjects = [{many}]\nworkloads = [{shapes}]")
    values = ", ".join(str(index) for index in range(16, 2000))
    with pytest.raises(UsageError, match=r"7,872,512 cells"):
        come_to(f"[settings]\ncontext = [{values}]\nconcurrency = [{values}]")


# What a suite comes to


def test_the_article_is_its_whole_matrix_and_nothing_else() -> None:
    file = read_suite("article")
    found = come_to(file)
    assert [start.subject for start in found] == [
        "ollama:r1-7b@Q4_K_M", "ollama:r1-7b@Q8_0", "ollama:r1-14b@Q4_K_M", "ollama:r1-14b@Q8_0",
        "ollama:r1-70b@Q4_K_M",
    ]  # fmt: skip
    for start in found:
        assert [asked.prompt for asked in start.asked] == [TRAIN.text, BINARY_SEARCH.text]
        assert {(asked.max_tokens, asked.context, asked.temperature, asked.cache) for asked in start.asked} == {
            (512, 2048, 0.0, "cold")
        }
        assert (start.context, start.gpu_layers, start.parallel) == (2048, None, 1)
    assert file.suite.measuring.runs == 3


@pytest.mark.parametrize(
    ("engine", "subjects"),
    [
        ("llamacpp", ["r1-7b@Q4_K_M", "r1-7b@Q8_0", "r1-14b@Q4_K_M", "r1-14b@Q8_0", "r1-70b@Q4_K_M"]),
        ("mlx", ["r1-7b@4bit", "r1-7b@8bit", "r1-14b@4bit", "r1-14b@8bit", "r1-70b@4bit"]),
        ("vllm", ["r1-7b@AWQ", "r1-7b@FP8", "r1-14b@AWQ", "r1-14b@FP8", "r1-70b@AWQ"]),
    ],
)
def test_the_article_runs_on_other_engines_with_what_they_have_instead(engine: str, subjects: list[str]) -> None:
    assert [start.subject for start in come_to(read_suite("article"), engines=(engine,))] == [
        f"{engine}:{subject}" for subject in subjects
    ]


def test_quick_measures_what_is_there_within_two_minutes() -> None:
    file = read_suite("quick")
    (start,) = come_to(file)
    assert start.subject == "scripted:steady"
    assert names([start]) == ["train problem", "binary search", "pp512", "tg128"]
    assert file.suite.measuring.time_budget_s == 120


def test_every_suite_in_the_package_says_what_it_is_and_can_be_done() -> None:
    assert built_in() == ["article", "article-gpu", "quick"]
    for name in built_in():
        assert read_suite(name).suite.description
        assert come_to(read_suite(name))


def test_settings_multiply_and_names_tell_apart_what_differs() -> None:
    found = come_to(MINE + "workloads = ['pp64']\n[settings]\ncontext = [1024, 2048]\nconcurrency = [1, 4]")
    assert [(start.context, start.parallel, names([start])) for start in found] == [
        (context, 4, [f"pp64, context {context}, 1 stream", f"pp64, context {context}, 4 streams"])
        for context in (1024, 2048)
    ]


def test_cells_that_share_a_start_of_their_engine_are_together() -> None:
    found = come_to(
        'subjects = ["llamacpp:a.gguf"]\nworkloads = ["pp64", "train problem"]\n'
        '[settings]\ngpu_layers = [0, "auto", "all"]\nsampling = [{ temperature = 0.6, top_p = 0.95 }, {}]'
    )
    assert [(start.gpu_layers, len(start.asked)) for start in found] == [(0, 4), (None, 4), (-1, 4)]
    assert [(asked.temperature, asked.top_p) for asked in found[0].asked[:2]] == [(0.6, 0.95), (0.0, None)]
    assert found[0].asked[0].name == "pp64, temperature 0.6, top-p 0.95"


def test_a_quantization_is_a_setting_of_subjects_that_name_none() -> None:
    found = come_to(
        'engines = ["ollama"]\nsubjects = ["r1-7b", "r1-14b@Q8_0", "llamacpp:a.gguf", "scripted:a@b"]\n'
        'workloads = ["tg8"]\n[settings]\nquant = ["Q4_K_M", "Q6_K"]'
    )
    assert [start.subject for start in found] == [
        "ollama:r1-7b@Q4_K_M", "ollama:r1-7b@Q6_K", "ollama:r1-14b@Q8_0", "llamacpp:a.gguf", "scripted:a@b",
    ]  # fmt: skip


def test_a_workloads_own_settings_go_before_a_subjects_and_these_before_the_suites() -> None:
    (start,) = come_to(
        'subjects = [{ subject = "scripted:a", max_tokens = 20, cache = "warm" }]\n'
        'workloads = ["train problem", { prompt = "Why?", max_tokens = 30 }, "tg40"]\n[settings]\nmax_tokens = 10'
    )
    assert [(asked.max_tokens, asked.cache) for asked in start.asked] == [(20, "warm"), (30, "warm"), (40, "warm")]


def test_the_command_line_goes_before_all_but_not_before_a_shapes_answer() -> None:
    (start,) = come_to(
        "workloads = [{ prompt = 'Why?', max_tokens = 30 }, 'tg40']",
        settings=Settings(max_tokens=7, context=512, cache="warm"),
    )
    assert [(asked.max_tokens, asked.context, asked.cache) for asked in start.asked] == [
        (7, 512, "warm"), (40, 512, "warm"),
    ]  # fmt: skip


def test_a_rate_makes_the_load_an_open_one_with_its_window_and_limits() -> None:
    (start,) = come_to(
        "workloads = ['tg8']\n[settings]\nrate_rps = [0.5, 2]\nrequests = 32\n[settings.slo]\nttft_s = 2\ntpot_s = 0.08"
    )
    assert [(asked.arrival, asked.rate_rps, asked.requests) for asked in start.asked] == [
        ("poisson", 0.5, 32), ("poisson", 2.0, 32),
    ]  # fmt: skip
    slo = start.asked[0].slo
    assert slo is not None
    assert (slo.ttft_s, slo.tpot_s, slo.itl_s) == (2.0, 0.08, None)


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        ('subject = "r1-14b@q8*"', 10),
        ('subject = "ollama:r1-7b*"', 8),
        ('subject = ["r1-7b", "r1-14b"]', 4),
        ('workload = "t*"', 6),
        ('subject = "r1-70b@*"\nworkload = "binary search"', 10),
        ('quant = "Q8_0"\nengine = "ollama"', 6),
        ('engine = "vllm"', 12),
        ("context = 4096", 12),
        ("context = [2048]\nmax_tokens = 512\nsubject = 'r1-7b'", 8),
    ],
)
def test_what_is_excluded_is_left_out_where_all_of_the_rule_is_true(rule: str, left: int) -> None:
    quants = '"r1-7b@Q4_K_M", "r1-7b@Q8_0", "r1-14b@Q4_K_M", "r1-14b@Q8_0", "r1-70b@Q4_K_M", "r1-70b@Q8_0"'
    text = f'engines = ["ollama"]\nsubjects = [{quants}]\n[settings]\ncontext = 2048\nmax_tokens = 512\n'
    assert len(names(come_to(f"{text}[[exclude]]\n{rule}"))) == left


def test_repeats_go_through_everything_again_with_engines_started_anew() -> None:
    found = come_to('subjects = ["scripted:a", "scripted:b"]\nrepeats = 3')
    assert [start.subject for start in found] == ["scripted:a", "scripted:b"] * 3


def test_a_prompt_may_lie_in_a_file_beside_the_suite(tmp_path: Path) -> None:
    (tmp_path / "why.txt").write_text("Why is that so?")
    (tmp_path / "mine.toml").write_text('workloads = [{ file = "why.txt", name = "why" }]', encoding="utf-8-sig")
    (start,) = come_to(read_suite(str(tmp_path / "mine.toml")))
    assert [(asked.name, asked.prompt) for asked in start.asked] == [("why", "Why is that so?")]


@pytest.mark.parametrize(
    ("subjects", "found"),
    [
        (("r1-7b",), ["ollama:r1-7b@Q4_K_M", "ollama:r1-7b@Q8_0"]),
        (("r1-7b@Q8_0",), ["ollama:r1-7b@Q8_0"]),
        (("scripted:steady", "r1-70b"), ["scripted:steady", "ollama:r1-70b@Q4_K_M"]),
    ],
)
def test_subjects_on_the_command_line_choose_from_the_suite_or_take_the_place_of_its_own(
    subjects: tuple[str, ...], found: list[str]
) -> None:
    assert [start.subject for start in come_to(read_suite("article"), subjects=subjects)] == found


def test_a_suites_own_subject_with_its_engine_named_keeps_what_the_suite_says_of_it() -> None:
    plain = come_to(read_suite("article-gpu"), subjects=("r1-70b@Q4_K_M",))
    named = come_to(read_suite("article-gpu"), subjects=("llamacpp:r1-70b@Q4_K_M",))
    assert [start.gpu_layers for start in named] == [start.gpu_layers for start in plain]
    assert {start.subject for start in named} == {"llamacpp:r1-70b@Q4_K_M"}
    (other,) = {start.subject for start in come_to(read_suite("article-gpu"), subjects=("ollama:r1-70b",))}
    assert other == "ollama:r1-70b@Q4_K_M"


def test_a_subject_that_the_suite_does_not_have_is_told() -> None:
    with pytest.raises(UsageError, match=r"article\.toml has no subject 'r1-7c'\. Did you mean 'r1-7b'\?"):
        come_to(read_suite("article"), subjects=("r1-7c",))


def test_the_schema_knows_every_key_and_lets_no_other_pass() -> None:
    found = schema()
    suite = found["$defs"]["Suite"]
    assert set(suite["properties"]) >= set(tomllib.loads(read_suite("article").text))
    assert {definition.get("additionalProperties") for definition in found["$defs"].values()} == {False}


# What is foreseen, and what is run


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bakeoff.engines.discover.ollama_models", lambda url: [])


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make this machine another one."""
    return lambda name: monkeypatch.setattr("bakeoff.hardware.detect.this_machine", lambda: find_machine(name))


def foreseen(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["run", *arguments, "--dry-run", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_article_fits_a_4090_but_for_the_70b_which_is_split(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None]
) -> None:
    on("rtx-4090")
    document = foreseen(capsys, "--suite", "article")
    assert [cell["fits"] for cell in document["cells"]] == ["yes"] * 8 + ["split"] * 2
    assert not any(cell["skipped"] for cell in document["cells"])
    assert document["download_bytes"] == pytest.approx(80e9, rel=0.02)
    assert document["write_bytes"] == 0
    assert 60 < document["seconds"]["low"] < document["seconds"]["high"]


def test_what_cannot_fit_is_shown_as_skipped_with_the_reason_and_can_be_tried(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None]
) -> None:
    on("cpu:ddr4-3200x2")
    document = foreseen(capsys, "--suite", "article", "r1-7b", "r1-70b", "--context", "131072")
    skipped = [cell for cell in document["cells"] if cell["skipped"]]
    assert {cell["subject"] for cell in skipped} == {"ollama:r1-70b@Q4_K_M"}
    assert all(cell["reason"].startswith("needs ") and cell["fits"] == "no" for cell in skipped)
    anyway = foreseen(capsys, "--suite", "article", "r1-70b", "--context", "131072", "--try-anyway")
    assert not any(cell["skipped"] for cell in anyway["cells"])
    assert anyway["seconds"]["low"] > document["seconds"]["low"]


def test_random_weights_are_written_as_far_as_the_disk_has_room(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bakeoff.hardware.disk import Disk

    on("rtx-4090")
    disk = Disk(kind="nvme", device=None, free_bytes=14_000_000_000, total_bytes=10**12)
    monkeypatch.setattr("bakeoff.hardware.disk.disk_of", lambda folder: disk)
    document = foreseen(capsys, "--suite", "article", "--synthetic")
    assert [(cell["subject"], cell["skipped"]) for cell in document["cells"][::2]] == [
        ("llamacpp:r1-7b@Q4_K_M", False), ("llamacpp:r1-7b@Q8_0", False), ("llamacpp:r1-14b@Q4_K_M", True),
        ("llamacpp:r1-14b@Q8_0", True), ("llamacpp:r1-70b@Q4_K_M", True),
    ]  # fmt: skip
    assert document["cells"][-1]["reason"] == "needs 42.5 GB on the disk, of which 1.22 GB are left"
    assert document["write_bytes"] == pytest.approx(12.78e9, rel=0.01)


def test_weights_that_are_there_need_no_download_and_those_that_cannot_be_had_are_told(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    on("rtx-4090")
    monkeypatch.setattr("bakeoff.engines.discover.ollama_models", lambda url: ["deepseek-r1:7b-qwen-distill-q4_K_M"])
    assert foreseen(capsys, "--suite", "article", "r1-7b@Q4_K_M")["download_bytes"] == 0
    assert foreseen(capsys, "ollama:deepseek-r1:7b-qwen-distill-q8_0")["download_bytes"] > 8e9
    (cell, _) = foreseen(capsys, "--suite", "article", "r1-7b@Q8_0", "--engine", "llamacpp")["cells"]
    assert cell["skipped"]
    assert "its weights are not here: name the GGUF file, or add --synthetic" in cell["reason"]
    (cell, _) = foreseen(capsys, "mlx:r1-7b@Q2_K")["cells"]
    assert cell["reason"].startswith("There is no Q2_K of r1-7b for mlx")


def test_all_layers_on_a_gpu_that_cannot_hold_them_are_not_tried(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None]
) -> None:
    on("rtx-4090")
    (cell,) = foreseen(capsys, "ollama:r1-70b@Q4_K_M", "--shape", "tg8", "--gpu-layers", "all")["cells"]
    assert cell["skipped"]
    assert "all layers on the GPU were asked for" in cell["reason"]


def test_the_time_grows_with_trials_lengths_and_streams_and_stays_within_the_budget(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None], tmp_path: Path
) -> None:
    on("rtx-4090")
    path = tmp_path / "mine.toml"

    def seconds(settings: str, *arguments: str) -> dict[str, float]:
        path.write_text(f"{MINE}workloads = ['pp512+tg100']\n[settings]\n{settings}")
        (cell,) = foreseen(capsys, "--suite", str(path), *arguments)["cells"]
        found: dict[str, float] = cell["seconds"]
        return found

    three = seconds("", "--runs", "3")
    eight = seconds("", "--runs", "8")
    assert eight["low"] == pytest.approx(three["low"] * (8 + 2) / (3 + 2))
    assert eight["high"] == pytest.approx(three["high"] * (8 + 4) / (3 + 4))
    streams = seconds("concurrency = 4", "--runs", "3")  # windows of 16 requests and 4 beside them, in 5 turns at least
    assert streams["low"] == pytest.approx(three["low"] * (3 * 5 + 2) / (3 + 2))
    assert streams["high"] == pytest.approx(three["high"] * (3 * 20 + 4) / (3 + 4))
    auto = seconds("")
    assert auto["low"] < eight["low"] < eight["high"] < auto["high"]
    assert foreseen(capsys, "--suite", str(path), "--time-budget", "2s")["seconds"]["high"] == 2


def test_a_cells_time_is_that_of_reading_the_prompt_and_writing_the_answer(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None]
) -> None:
    on("rtx-4090")
    document = foreseen(capsys, "llamacpp:r1-7b@Q4_K_M", "--synthetic", "--shape", "tg101", "--runs", "1")
    (cell,) = document["cells"]
    assert cell["seconds"]["low"] == pytest.approx(3 * 100 / cell["decode_tps"]["high"], rel=0.05)
    assert cell["seconds"]["high"] == pytest.approx(5 * 100 / cell["decode_tps"]["low"], rel=0.05)
    assert document["write_bytes"] == cell["weights_bytes"]


def test_of_a_server_that_runs_nothing_is_foreseen_and_nothing_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    document = foreseen(capsys, "openai:any", "--url", "http://127.0.0.1:9", "--prompt", "Why?")
    (cell,) = document["cells"]
    assert (cell["fits"], cell["skipped"], cell["seconds"]) == (None, False, None)
    assert (document["seconds"], document["cells_of_unknown_time"]) == (None, 1)


@pytest.mark.parametrize(
    "arguments", [["--suite", "article"], ["--suite", "quick"], ["--suite", "article", "--synthetic"]]
)
def test_the_screen_of_a_dry_run_holds_in_80_columns(
    arguments: list[str], capsys: pytest.CaptureFixture[str], on: Callable[[str], None]
) -> None:
    on("rtx-4090")
    assert main(["run", *arguments, "--dry-run"]) == 0
    screen = capsys.readouterr().out
    assert max(map(len, screen.splitlines())) <= 80
    assert "train problem" in screen
    assert "→ About " in screen


def test_ten_thousand_cells_are_foreseen_at_once_and_shown_in_part(
    capsys: pytest.CaptureFixture[str], on: Callable[[str], None], many: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bakeoff.planning.fit import fit

    on("rtx-4090")
    fits: list[int] = []

    def counted(*arguments: Any, **settings: Any) -> Any:
        fits.append(settings["context"])
        return fit(*arguments, **settings)

    monkeypatch.setattr("bakeoff.analysis.foreseen.fit", counted)
    assert main(["run", "--suite", many, "--dry-run"]) == 0
    assert fits == list(range(2000, 3000, 100))  # once for each start, not for each cell
    screen = capsys.readouterr().out
    assert "10,000 cells" in screen
    assert "more" in screen
    assert len(screen.splitlines()) < 120


@pytest.fixture
def many(tmp_path: Path) -> str:
    path = tmp_path / "many.toml"
    shapes = ", ".join(f'"pp{index}"' for index in range(1, 1001))
    path.write_text(
        f"{MINE}workloads = [{shapes}]\n[settings]\ncontext = [{', '.join(map(str, range(2000, 3000, 100)))}]"
    )
    return str(path)


def test_many_cells_are_asked_about_first(
    many: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    assert main(["run", "--suite", many]) == 2
    assert "has 10,000 cells, and nobody is there to be asked" in capsys.readouterr().err

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert main(["run", "--suite", many]) == 130
    assert "Measure them all?" in capsys.readouterr().err


def test_so_many_cells_are_measured_when_it_is_said_beforehand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    path = tmp_path / "mine.toml"
    shapes = ", ".join(f'"tg{index}"' for index in range(2, 203))
    path.write_text(f"workloads = [{shapes}]\n[measuring]\nruns = 1\nwarm_ups = 1\nanchors = 0")
    assert main(["run", "scripted:steady", "--suite", str(path), "--yes", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["cells"]) == 201


def test_a_suite_is_measured_and_what_is_left_out_stands_in_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'subjects = ["scripted:steady", "llamacpp:r1-7b@Q4_K_M", "scripted:thinking"]\n'
        'workloads = ["train problem", { prompt = "Why?", name = "why" }]\n'
        "[settings]\nmax_tokens = 24\nsampling = { temperature = 0.6 }\n[measuring]\nruns = 2"
    )
    assert main(["run", "--suite", str(path), "--json"]) == 0
    said = capsys.readouterr()
    document = json.loads(said.out)
    measured = [(cell["subject"]["text"], cell["workload"]["name"]) for cell in document["cells"]]
    assert sorted(set(measured)) == sorted(
        (subject, name) for subject in ("scripted:steady", "scripted:thinking") for name in ("train problem", "why")
    )
    assert {cell["trials"]["ok"] for cell in document["cells"]} == {2}
    assert {(cell["workload"]["max_tokens"], cell["workload"]["temperature"]) for cell in document["cells"]} == {
        (24, 0.6)
    }
    (failure,) = document["failures"]
    assert failure["subject"] == "llamacpp:r1-7b@Q4_K_M"
    assert failure["error"].startswith("left out: its weights are not here")
    assert "! llamacpp:r1-7b@Q4_K_M is left out" in said.err
    run = read_run(Path(document["file"]))
    assert run.started.plan is not None
    assert [entrant["subject"]["text"] for entrant in run.started.plan["entrants"]] == [
        "scripted:steady", "scripted:thinking",
    ]  # fmt: skip


def test_where_nothing_of_a_suite_can_be_measured_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--suite", "article", "--engine", "llamacpp"]) == 2
    assert "Of the suite article nothing can be measured here. To try even so: --try-anyway." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "vllm"], "--engine is for a suite"),
        (["--try-anyway"], "--try-anyway is for a suite"),
        (["--yes"], "--yes is for a suite"),
        (["--suite", "quick", "--prompt", "Why?"], "--prompt does not go with --suite"),
        (["--suite", "quick", "--shape", "pp5"], "--shape does not go with --suite"),
        (["--suite", "quick", "--prompt-tokens", "5"], "--prompt-tokens does not go with --suite"),
        (["--suite", "quik"], "Did you mean quick?"),
        (["--suite", "article", "--engine", "olama"], "There is no engine 'olama'. Did you mean 'ollama'?"),
        (["--suite", "quick", "--engine", "vllm"], "--engine vllm would run nothing: quick.toml has no subject that"),
        (["--suite", "quick", "--engine", "foo", "scripted:steady"], "--engine foo would run nothing"),
        (["--shape", "pp5", "--max-tokens", "9"], "--shape states its lengths itself"),
        (["--shape", "pp5", "--prompt-tokens", "9"], "--shape states its lengths itself"),
        (["--shape", "qq5"], "'qq5' is no shape"),
        (["scripted:steady", "--shape", "long", "--context", "4096"], "do not fit a context of 4096"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_top_p_is_sent_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Request] = []
    answers = Scripted.stream

    def noted(self: Scripted, request: Request) -> AsyncIterator[StreamEvent]:
        sent.append(request)
        return answers(self, request)

    monkeypatch.setattr(Scripted, "stream", noted)
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.toml"
    path.write_text("[settings]\nsampling = { temperature = 0.6, top_p = 0.95 }")
    assert main(["run", "scripted:steady", "--suite", str(path), "--runs", "1"]) == 0
    assert {(each.temperature, each.top_p) for each in sent} == {(0.6, 0.95)}
    (file,) = (tmp_path / "home" / "runs").glob("*.jsonl")
    assert {(cell.workload.temperature, cell.workload.top_p) for cell in read_run(file).cells} == {(0.6, 0.95)}


def test_shapes_on_the_command_line_bring_the_context_that_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    document = foreseen(capsys, "llamacpp:r1-7b", "--synthetic", "--shape", "long", "--shape", "tg16 @ d64")
    keys = ("workload", "prompt_tokens", "max_tokens", "context")
    assert [tuple(cell[key] for key in keys) for cell in document["cells"]] == [
        ("long", 8192, 256, 8448), ("tg16 @ d64", 64, 16, 8448),
    ]  # fmt: skip


def test_suites_are_listed_shown_and_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["suites", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["article", "article-gpu", "quick"]
    assert main(["suites", "show", "article"]) == 0
    copy = tmp_path / "copy.toml"
    copy.write_text(capsys.readouterr().out)
    assert main(["suites", "check", str(copy)]) == 0
    assert capsys.readouterr().out == "copy.toml: 10 cells in 5 starts of an engine.\n"
    assert main(["suites", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == schema()
    copy.write_text("repeats = 0")
    assert main(["suites", "check", str(copy)]) == 2
    assert capsys.readouterr().err.startswith("Error: copy.toml, line 1, column 11: ")


def test_one_models_weights_are_written_once_however_its_layers_lie(capsys: pytest.CaptureFixture[str]) -> None:
    layers = ["--gpu-layers", "0,20,auto"]
    one = foreseen(capsys, "llamacpp:r1-1.5b@q4_K_M", "--synthetic")
    three = foreseen(capsys, "llamacpp:r1-1.5b@q4_K_M", "--synthetic", *layers)
    assert three["write_bytes"] == one["write_bytes"] > 0
