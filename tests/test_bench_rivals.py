"""The benchmark beside other tools: what each tool's report says, what is true of it, and who is the more exact."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
from bench import watch as watching
from bench.install import installed
from bench.rivals import DELAY_MS, ROWS, Case, Result, Score
from bench.sent import Answer, answers, itl_s, resolution_s, ttft_s
from bench.server import RECORD, serve
from bench.tools import Figures, Load, bakeoff_reading, guidellm_reading, llama_benchy_reading
from bench.watch import Watched, watch

from bakeoff.errors import BakeoffError
from bakeoff.results.runfile import read_run

DATA = Path(__file__).parent / "data" / "rivals"
LOAD, ONE = Load(streams=2, rate=100, tokens=8, rounds=2), Load(streams=1, rate=100, tokens=8, rounds=2)
NS = 1e9


def recorded(name: str) -> tuple[dict[str, Any], list[Answer]]:
    """A tool's report, less what is not read, and what the server sent it."""
    both = json.loads((DATA / f"{name}.json").read_text())
    return both["report"], [Answer(**answer | {"sent_ns": tuple(answer["sent_ns"])}) for answer in both["sent"]]


def answer(stream: int, begun_s: float, first_s: float, last_s: float, ended_s: float, tokens: int = 8) -> Answer:
    """One with its tokens evenly between the first and the last."""
    begun, ended = round(begun_s * NS), round(ended_s * NS)
    sent = tuple(round((first_s + (last_s - first_s) * i / (tokens - 1)) * NS) for i in range(tokens))
    return Answer(stream, -1, begun, begun, sent, ended)


def test_guidellm_s_own_means_are_what_is_read() -> None:
    report, sent = recorded("guidellm-0.8.1")
    told = guidellm_reading(report, LOAD, sent).told
    assert told == Figures(34.5386266708374 / 1000, 9.8428555897304 / 1000, 136.08425970612927)


def test_guidellm_s_definitions_give_its_own_figures_from_its_own_times() -> None:
    report, _ = recorded("guidellm-0.8.1")
    timings = [request["info"]["timings"] for request in report["benchmarks"][0]["requests"]["successful"]]
    zero = timings[0]["request_start"]
    names = ("request_start", "first_token_iteration", "last_token_iteration", "request_end")
    seen = [answer(stream, *(t[name] - zero for name in names)) for stream, t in enumerate(timings)]
    reading = guidellm_reading(report, LOAD, seen)
    assert reading.true.ttft_s == pytest.approx(reading.told.ttft_s, abs=1e-6)
    assert reading.true.itl_s == pytest.approx(reading.told.itl_s, abs=1e-6)
    assert reading.true.tps == pytest.approx(reading.told.tps, rel=1e-5)


def test_guidellm_s_answers_are_known_by_their_text_in_whatever_order() -> None:
    report, sent = recorded("guidellm-0.8.1")
    report["benchmarks"][0]["requests"]["successful"].reverse()
    assert [found.stream for found in guidellm_reading(report, LOAD, sent).counted] == [3, 2, 1, 0]


def test_llama_benchy_s_own_means_are_what_is_read() -> None:
    report, sent = recorded("llama-benchy-0.4.0")
    (benchmark,) = report["benchmarks"]
    told = llama_benchy_reading(report, LOAD, sent).told
    assert told.ttft_s == pytest.approx(fmean(benchmark["e2e_ttft"]["values"]) / 1000)
    assert told.itl_s == pytest.approx(1 / fmean(benchmark["tg_req_throughput"]["values"]))
    assert told.tps == pytest.approx(fmean(benchmark["tg_throughput"]["values"]))


def test_llama_benchy_s_warm_up_and_its_short_questions_are_not_counted() -> None:
    report, sent = recorded("llama-benchy-0.4.0")
    lengths = [found.tokens for found in sent]
    assert lengths == [1, 1, 1, 8, 8, 8, 8, 8, 8]
    assert [found.stream for found in llama_benchy_reading(report, LOAD, sent).counted] == [5, 6, 7, 8]


def test_llama_benchy_s_rate_is_that_of_each_batch_from_its_first_token_to_its_last() -> None:
    report, _ = recorded("llama-benchy-0.4.0")
    warm_up = [answer(stream, 0, 1, 2, 3) for stream in (0, 1)]
    first = [answer(2, 10, 10.5, 11.5, 12), answer(3, 10, 11.0, 12.5, 13)]
    second = [answer(4, 20, 20.5, 21.5, 22), answer(5, 20, 20.5, 21.5, 22)]
    true = llama_benchy_reading(report, LOAD, [*warm_up, *first, *second]).true
    assert true.ttft_s == pytest.approx((0.5 + 1.0 + 0.5 + 0.5) / 4)
    assert true.itl_s == pytest.approx(4 / (7 / 1.0 + 7 / 1.5 + 7 / 1.0 + 7 / 1.0))
    assert true.tps == pytest.approx((14 / 2.0 + 14 / 1.0) / 2)


def test_bakeoff_s_figures_are_those_of_its_json_and_its_requests_are_known_by_their_seeds() -> None:
    report, sent = recorded("bakeoff-1-stream")
    metrics = report["cells"][0]["metrics"]
    reading = bakeoff_reading(report, read_run(DATA / "bakeoff-1-stream.jsonl"), ONE, sent[::-1])
    assert reading.told == Figures(*(metrics[name]["point"] for name in ("ttft_s", "itl_s", "decode_tps")))
    timed = [trial.seed for trial in read_run(DATA / "bakeoff-1-stream.jsonl").trials if trial.purpose == "timed"]
    assert [found.seed for found in reading.counted] == timed


def test_bakeoff_s_definitions_give_its_own_figures_from_its_own_times() -> None:
    report, _ = recorded("bakeoff-2-streams")
    run = read_run(DATA / "bakeoff-2-streams.jsonl")
    seen = []
    for number, trial in enumerate(trial for trial in run.trials if trial.timeline.at_ns):
        begun = trial.begun_ns or 0
        sent = tuple(begun + at_ns for at_ns in trial.timeline.at_ns)
        ended = 0 if trial.end_ns is None else begun + trial.end_ns
        seen.append(Answer(number, trial.seed, begun, begun, sent, ended))
    reading = bakeoff_reading(report, run, LOAD, seen)
    assert reading.told.tps == report["cells"][0]["load"]["output_tps"]["point"]
    assert reading.true.ttft_s == pytest.approx(reading.told.ttft_s, abs=1e-9)
    assert reading.true.itl_s == pytest.approx(reading.told.itl_s, abs=1e-9)
    assert reading.true.tps == pytest.approx(reading.told.tps, rel=1e-9)


@pytest.mark.parametrize("name", ["guidellm-0.8.1", "llama-benchy-0.4.0"])
def test_what_was_recorded_lies_near_what_the_server_sent(name: str) -> None:
    read = {"guidellm-0.8.1": guidellm_reading, "llama-benchy-0.4.0": llama_benchy_reading}[name]
    reading = read(*(recorded(name)[0], LOAD, recorded(name)[1]))
    assert 0 < reading.told.ttft_s - reading.true.ttft_s < 0.002
    assert reading.told.itl_s == pytest.approx(reading.true.itl_s, rel=0.01)
    assert reading.told.tps == pytest.approx(reading.true.tps, rel=0.01)


def test_a_report_on_fewer_answers_than_were_asked_for_is_refused() -> None:
    report, sent = recorded("guidellm-0.8.1")
    with pytest.raises(BakeoffError, match="GuideLLM counted 4 answers, 4 of them whole, not 6"):
        guidellm_reading(report, replace(LOAD, rounds=3), sent)
    cut_off = [replace(sent[0], ended_ns=0), *sent[1:]]
    with pytest.raises(BakeoffError, match="GuideLLM counted 4 answers, 3 of them whole, not 4"):
        guidellm_reading(report, LOAD, cut_off)


def test_the_log_is_sorted_into_answers() -> None:
    rows = [(7, 0, 50, 52, 10, 12, 0, 5), (3, 0, 60, 62, 20, 21, 0, -1), (7, 1, 70, 76, 10, 12, 80, 5)]
    log = np.array(rows, RECORD)
    assert answers(log) == [Answer(3, -1, 20, 21, (60,), 0), Answer(7, 5, 10, 12, (50, 70), 80)]
    assert resolution_s(log) == 2e-9
    assert answers(log[:0]) == []


def test_times_are_means_over_answers_and_over_tokens() -> None:
    sent = [
        Answer(0, -1, 0, 100, (1_000, 3_000, 5_000), 6_000),
        Answer(1, -1, 0, 300, (2_000, 3_000), 4_000),
    ]
    assert ttft_s(sent, "begun") == pytest.approx(1_500e-9)
    assert ttft_s(sent, "asked") == pytest.approx(1_300e-9)
    assert itl_s(sent) == pytest.approx((4_000 + 1_000) / 3 * 1e-9)


def score(ttft_s: float, *, cpu: float = 50.0, resolution_s: float = 0.0) -> Score:
    true = Figures(0.2, 0.01, 100.0)
    told = Figures(ttft_s, 0.01, 100.0)
    return Score(told, true, cpu, launch_s=1.0, cpu_s=2.0, rate_span_s=5.0, resolution_s=resolution_s)


def judged(ours: list[Score], others: dict[str, list[Score]]) -> list[bool]:
    tools = {"Bakeoff": ("0", ""), "GuideLLM": ("0.8.1", "")}
    return [target.met for target in Result(tools, [Case(ONE, {"Bakeoff": ours, **others})]).targets()]


def test_bakeoff_must_be_the_most_exact_on_every_row_and_the_errors_are_absolute() -> None:
    better, worse = [score(0.2001)] * 3, [score(0.1998)] * 3
    assert judged(better, {"GuideLLM": worse}) == [True] * len(ROWS)
    assert judged(worse, {"GuideLLM": better}) == [False, True, True, True, True]
    assert judged([score(0.2001, cpu=51)], {"GuideLLM": [score(0.2001, cpu=50)]}) == [True, True, True, False, True]


def test_the_best_of_the_others_is_what_counts() -> None:
    others = {"GuideLLM": [score(0.3)], "llama-benchy": [score(0.2001)]}
    assert judged([score(0.2002)], others)[0] is False
    assert judged([score(0.2002)], {"GuideLLM": [score(0.3)]})[0] is True


def test_what_the_server_itself_does_not_know_decides_nothing() -> None:
    def equal(resolution_s: float) -> bool:
        ours, other = (score(ttft_s, resolution_s=resolution_s) for ttft_s in (0.20015, 0.2001))
        return judged([ours], {"GuideLLM": [other]})[0]

    assert (equal(1e-4), equal(1e-5)) == (True, False)


def test_one_bad_round_of_three_does_not_decide() -> None:
    assert judged([score(0.9), score(0.2001), score(0.2001)], {"GuideLLM": [score(0.2002)]})[0] is True


def test_with_nobody_to_compare_with_no_target_is_met() -> None:
    assert judged([score(0.2)], {}) == [False] * len(ROWS)


def test_the_row_of_a_tool_that_is_not_there_says_why() -> None:
    tools = {"Bakeoff": ("0", "its figures"), "GuideLLM": ("0.8.1", "other figures")}
    case = Case(ONE, {"Bakeoff": [score(0.2001)]}, {"GuideLLM": "not installed: no network"}, "quiet")
    text = Result(tools, [case]).text()
    (row,) = [line for line in text.splitlines() if line.startswith("GuideLLM 0.8.1 (")]
    assert row.split(")")[0] == "GuideLLM 0.8.1 (not installed: no network"
    assert row.split(")")[1].split() == ["none"] * (len(ROWS) + 1)
    assert "1 × 100 tok/s, 2 answers of 8 tokens; 1 round; quiet" in text
    assert "GuideLLM 0.8.1: other figures." in text


def test_a_tool_that_cannot_be_installed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bench.install.RIVALS", tmp_path)
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(BakeoffError, match="not installed: it did not say why"):
        installed("guidellm", "0.8.1")
    assert list(tmp_path.iterdir()) == []


def test_processor_time_between_readings_is_shared_out() -> None:
    watched = Watched(0, "", (0, 1_000, 2_000), (0.0, 1.0, 1.5))
    assert watched.cpu_between(500, 1_500) == pytest.approx(0.75)


def test_the_processor_time_of_what_a_program_starts_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_S", 0.0)
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print('done')"
    watched = asyncio.run(watch([sys.executable, "-c", program], os.environ, 60))
    assert watched.output == "done\n"
    assert watched.cpu_s[-1] > 0.2
    assert list(watched.cpu_s) == sorted(watched.cpu_s)


def test_a_program_that_fails_is_told_by_its_last_words() -> None:
    with pytest.raises(BakeoffError, match="ended with status 3: the server is gone"):
        asyncio.run(
            watch([sys.executable, "-c", "import sys; print('the server is gone'); sys.exit(3)"], os.environ, 60)
        )


def test_a_program_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        "import os, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"while not os.path.exists({str(note)!r}) or not os.path.getsize({str(note)!r}): time.sleep(0.01)\n"
        "time.sleep(600)"
    )
    with pytest.raises(BakeoffError, match="was not done after 1 s"):
        asyncio.run(watch([sys.executable, "-c", program], os.environ, 1))
    if note.exists() and note.read_text():
        assert not _runs(int(note.read_text()))


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="no C compiler to build the token server")
def test_the_token_server_answers_whole_clients_and_logs_what_they_asked() -> None:
    with serve(100, f"rate=10000&delay={DELAY_MS / 100}") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        models = _ask(connection, "GET", "/v1/models")
        whole = _ask(connection, "POST", "/v1/chat/completions", {"max_tokens": 1, "seed": 11})
        stream = _ask(
            connection, "POST", "/v1/chat/completions", {"stream": True, "max_completion_tokens": 5, "seed": 12}
        )
        connection.close()
    assert json.loads(models)["data"][0]["id"] == "deepseek-r1-distill-qwen-7b"
    assert json.loads(whole)["choices"][0]["message"]["content"] == "Paris"
    assert stream.count(b'"content":" s1t') == 5
    assert stream.rstrip().endswith(b"data: [DONE]")
    first, second = answers(server.log)
    assert (first.stream, first.seed, first.tokens) == (0, 11, 1)
    assert (second.stream, second.seed, second.tokens) == (1, 12, 5)
    assert second.begun_ns <= second.asked_ns < second.sent_ns[0] < second.sent_ns[-1] < second.ended_ns


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    connection.request(method, path, None if body is None else json.dumps(body))
    return connection.getresponse().read()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # where there is one: a process that nobody has waited for is dead all the same
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
