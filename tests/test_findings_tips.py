"""What the set-up leaves lying: each tip with the command that mends it, and no alarm where there is no cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bakeoff.analysis.findings import Cell, Check, tips
from bakeoff.analysis.summary import summarize
from bakeoff.engines.installed import KNOWN
from bakeoff.results.records import MemoryPart, Start
from bakeoff.results.runfile import read_run
from tests.finding_cases import Case, Cases, cell, counted, every_case, found, judge
from tests.hand_made import a_trial

GB = 10**9
CODES = {"context_unused", "slow_disk", "engine_outdated", "one_at_a_time"}
EXAMPLES = sorted((Path(__file__).parent.parent / "examples").rglob("*.jsonl"))


def holding(context: int, **facts: Any) -> Cell:
    """A prompt of 100 tokens and an answer of up to 1,900, in that context."""
    trials = [a_trial(usage=counted(prompt=100))]
    return cell(trials, settings={"context": context}, max_tokens=1900, **facts)


def started(size: int, seconds: float, cache: Any = "cold", engine: str = "llamacpp", apart: bool = False) -> Cell:
    made = cell([a_trial()], size_bytes=size, engine=engine)
    start = Start(ready_s=seconds, load_s=seconds if apart else None, page_cache=cache)
    return structs.replace(made, opened=structs.replace(made.opened, start=start))


def of(engine: str, version: str | None, attached: bool = False) -> Cell:
    return cell([a_trial()], engine=engine, engine_version=version, attached=attached)


def alone(**facts: Any) -> Cell:
    return cell([a_trial()], **({"alone": True, "requests": 8} | facts))


CASES: Cases = {
    tips.context_unused: [
        (holding(32_768), "info", "for 32,768 tokens; a request here fills 2,000 at most", holding(16_000)),
        (holding(16_384, attached=True), "info", "for 16,384 tokens", holding(16_383, attached=True)),
        (holding(131_072, context_trained=131_072), "info", "all that the model was trained to", holding(2048)),
        (holding(131_072, engine="ollama"), "info", "for 131,072 tokens", holding(131_072, engine="vllm")),
    ],
    tips.slow_disk: [
        (started(4 * GB, 20.0), "info", r"4\.00 GB took 20\.0 s .* 200 MB a second", started(4 * GB, 10.0)),
        (started(4 * GB, 20.0), "info", "200 MB", started(4 * GB, 20.0, "warm")),
        (started(4 * GB, 20.0), "info", "200 MB", started(4 * GB, 20.0, "unknown")),
        (started(GB, 12.0), "info", "a second", started(GB, 9.0)),
        (started(4 * GB, 20.0, engine="vllm", apart=True), "info", "200 MB", started(4 * GB, 20.0, engine="vllm")),
    ],
    tips.engine_outdated: [
        (
            of("llamacpp", "llama-server b4500-abc"), "info", f"llama-server 4500 ran; {KNOWN['llama-server']} was",
            of("llamacpp", f"llama-server b{int(KNOWN['llama-server']) - 100}-abc"),
        ),
        (of("ollama", "0.5.7"), "info", "ollama 0.5.7 ran", of("ollama", KNOWN["ollama"])),
        (of("vllm", "0.6.3", attached=True), "info", "vllm 0.6.3 ran", of("vllm", f"{KNOWN['vllm']}.post1+cu130")),
        (of("mlx", "mlx-lm 0.20.1"), "info", "mlx-lm 0.20.1 ran", of("mlx", "mlx-lm 99.0")),
        (of("llamacpp", "xllamacpp 2025.1.1"), "info", "xllamacpp 2025.1.1", of("llamacpp", "xllamacpp 2027.1.1")),
        (of("ollama", "0.5.7"), "info", "ran", of("ollama", None)),
        (of("ollama", "0.5.7"), "info", "ran", of("openai", "served by something 0.1.0")),
    ],
    tips.one_at_a_time: [
        (alone(), "info", "8 requests a window went one after the other", alone(concurrency=4)),
        (alone(), "info", "one after", alone(alone=False)),
        (alone(), "info", "one after", alone(arrival="poisson", rate_rps=1.0)),
        (alone(), "info", "one after", alone(requests=None)),
    ],
}  # fmt: skip


@every_case(CASES)
def test_a_check_speaks_when_provoked_and_not_of_the_nearest_sound_cell(check: Check, case: Case) -> None:
    judge(check, case)


def test_a_tip_holds_the_command_that_mends_it() -> None:
    assert "set --context 2048." in found(tips.context_unused, holding(32_768)).advice
    assert "llama-server -c 2048" in found(tips.context_unused, holding(32_768, attached=True)).advice
    assert "--context 2048" in found(tips.context_unused, holding(32_768, engine="ollama", attached=True)).advice
    assert "pip install -U vllm" in found(tips.engine_outdated, of("vllm", "0.6.3")).advice
    assert "where the server runs" in found(tips.engine_outdated, of("vllm", "0.6.3", attached=True)).advice
    assert "--concurrency 1,4,16" in found(tips.one_at_a_time, alone()).advice


def test_the_cache_that_nobody_uses_is_said_in_bytes_where_the_engine_tells_them() -> None:
    made = holding(131_072)
    part = MemoryPart(what="kv_cache", device="CUDA0", bytes=7_516_192_768)
    known = structs.replace(made, opened=structs.replace(made.opened, engine_memory=(part,)))
    assert "7.52 GB" in found(tips.context_unused, known).evidence


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_published_run_raises_no_false_alarm(path: Path) -> None:
    codes = {finding.code for each in summarize(read_run(path)).cells for finding in each.findings}
    assert not codes & CODES
