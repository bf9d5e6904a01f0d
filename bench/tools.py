"""Three tools that measure a server, each driven as its users drive it: what it says, and what is true of it.

What a tool says is read from its own report and only converted to seconds. What is true is the same definition worked
out on the times in the server's log, of the same requests.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import structs

from bakeoff import __version__
from bakeoff.errors import BakeoffError
from bakeoff.measurement.load_metrics import steady
from bakeoff.results.records import Run, Timeline, Trial
from bakeoff.results.runfile import read_run
from bench.install import BOOK_URL, MODEL, installed
from bench.sent import NS, Answer, itl_s, ttft_s

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPT = "Count from one to one thousand, one number a line."
PROMPT_TOKENS = 32


@dataclass(frozen=True)
class Load:
    """``rounds`` requests of each stream, every answer ``tokens`` long at ``rate`` tokens per second."""

    streams: int
    rate: float
    tokens: int
    rounds: int

    @property
    def requests(self) -> int:
        return self.streams * self.rounds


@dataclass(frozen=True)
class Figures:
    """Mean time to the first token, mean time between tokens, and tokens per second, by the tool's own definition."""

    ttft_s: float
    itl_s: float
    tps: float


@dataclass(frozen=True)
class Reading:
    """What a tool says, what is true, and the answers that it counted."""

    told: Figures
    true: Figures
    counted: tuple[Answer, ...]


class Tool(Protocol):
    """One of them. ``figures`` says which of its own figures are read."""

    name: str
    version: str
    figures: str

    def install(self) -> None:
        """See that it can be run. Raises BakeoffError where it cannot."""

    def command(self, port: int, load: Load, folder: Path) -> list[str]:
        """What runs it once, its files in ``folder``."""

    def environment(self, folder: Path) -> dict[str, str]: ...

    def read(self, folder: Path, output: str, load: Load, sent: Sequence[Answer]) -> Reading:
        """Raises BakeoffError where it did not do what it was asked for."""


class Bakeoff:
    name = "Bakeoff"
    version = __version__
    figures = (
        "ttft_s (request fully sent to first token), itl_s, and tokens per second: of one stream decode_tps; of many "
        "output_tps in all, over the time in which every stream was under load"
    )

    def install(self) -> None:
        pass

    def command(self, port: int, load: Load, folder: Path) -> list[str]:  # noqa: ARG002
        bakeoff = str(Path(sys.executable).with_name("bakeoff"))
        amount = ["--runs", str(load.rounds)]
        if load.streams > 1:
            amount = ["--concurrency", str(load.streams), "--requests", str(load.requests), "--runs", "1"]
        server = f"http://127.0.0.1:{port}"
        what = ["--url", server, "--prompt", PROMPT, "--max-tokens", str(load.tokens)]
        return [bakeoff, "run", f"openai:{MODEL}", *what, *amount, "--json"]

    def environment(self, folder: Path) -> dict[str, str]:
        return os.environ | {"BAKEOFF_HOME": str(folder)}

    def read(self, folder: Path, output: str, load: Load, sent: Sequence[Answer]) -> Reading:  # noqa: ARG002
        document = json.loads(output)
        return bakeoff_reading(document, read_run(Path(document["file"])), load, sent)


def bakeoff_reading(document: dict[str, Any], run: Run, load: Load, sent: Sequence[Answer]) -> Reading:
    """From what ``--json`` wrote and the run file. A request is known by the seed that it named."""
    (cell,) = document["cells"]
    metrics = cell["metrics"]
    by_seed = {answer.seed: answer for answer in sent}
    came = [(trial, by_seed[trial.seed]) for trial in run.trials if trial.seed in by_seed and trial.timeline.at_ns]
    counted = [answer for trial, answer in came if trial.purpose == "timed" and trial.status == "ok"]
    _check("Bakeoff", counted, load)
    told_tps = metrics["decode_tps"] if load.streams == 1 else cell["load"]["output_tps"]
    true_tps = 1 / itl_s(counted) if load.streams == 1 else _steady_tps(run, came)
    return Reading(
        told=Figures(metrics["ttft_s"]["point"], metrics["itl_s"]["point"], told_tps["point"]),
        true=Figures(ttft_s(counted, "asked"), itl_s(counted), true_tps),
        counted=tuple(counted),
    )


def _steady_tps(run: Run, came: Sequence[tuple[Trial, Answer]]) -> float:
    """The total rate of a window by Bakeoff's definition, its requests' times those of the server."""
    (window,) = run.windows
    loaded = sorted(
        ((trial, answer) for trial, answer in came if trial.window is not None), key=lambda pair: pair[1].asked_ns
    )
    zero_ns = loaded[0][1].asked_ns
    due_ns: dict[int | None, int] = {}
    as_sent = []
    for trial, answer in loaded:
        at_ns = tuple(sent_ns - answer.asked_ns for sent_ns in answer.sent_ns)
        as_sent.append(
            structs.replace(
                trial,
                timeline=Timeline(at_ns=at_ns, kinds="a" * len(at_ns)),
                due_ns=due_ns.get(trial.stream, 0),
                begun_ns=answer.asked_ns - zero_ns,
                end_ns=answer.ended_ns - answer.asked_ns if answer.ended_ns else None,
            )
        )
        due_ns[trial.stream] = answer.ended_ns - zero_ns
    found = steady(window, as_sent, None)
    assert found is not None  # there are counted requests, and they ended
    return found.tokens / found.span_s


class GuideLLM:
    name = "GuideLLM"
    version = "0.8.1"
    figures = (
        "time_to_first_token_ms (from when it begins to send), inter_token_latency_ms (first token to last, over "
        "tokens − 1), output_tokens_per_second (from the first request to the end of the last answer), each mean"
    )

    def install(self) -> None:
        self._folder = installed("guidellm", self.version)

    def command(self, port: int, load: Load, folder: Path) -> list[str]:
        data = f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={load.tokens}"
        return [
            str(self._folder / "bin" / "guidellm"),
            "run",
            *("--backend", f"kind=openai_http,target=http://127.0.0.1:{port}"),
            *("--profile", f"kind=concurrent,streams={load.streams}"),
            *("--constraint", f"kind=max_requests,count={load.requests}"),
            *("--tokenizer", f"kind=huggingface_auto,model={self._folder / 'tokenizer'}"),
            *("--data", data),
            *("--output", f"kind=json,path={folder / 'guidellm.json'}"),
            "--disable-console",
        ]

    def environment(self, folder: Path) -> dict[str, str]:  # noqa: ARG002
        return offline(self._folder)

    def read(self, folder: Path, output: str, load: Load, sent: Sequence[Answer]) -> Reading:  # noqa: ARG002
        return guidellm_reading(json.loads((folder / "guidellm.json").read_bytes()), load, sent)


def guidellm_reading(document: dict[str, Any], load: Load, sent: Sequence[Answer]) -> Reading:
    """A request is known by the text of its answer, which names its stream."""
    (benchmark,) = document["benchmarks"]
    means = {name: metric["successful"]["mean"] for name, metric in benchmark["metrics"].items() if name in _GUIDELLM}
    outputs = [request["output"] for request in benchmark["requests"]["successful"]]
    by_stream = {answer.stream: answer for answer in sent}
    counted = [by_stream[int(output.removeprefix(" s").partition("t")[0])] for output in outputs]
    _check("GuideLLM", counted, load)
    span_ns = max(answer.ended_ns for answer in counted) - min(answer.begun_ns for answer in counted)
    tokens = sum(answer.tokens for answer in counted)
    ttft_ms, itl_ms, tps = (means[name] for name in _GUIDELLM)
    return Reading(
        told=Figures(ttft_ms / 1000, itl_ms / 1000, tps),
        true=Figures(ttft_s(counted, "begun"), itl_s(counted), tokens / span_ns * NS),
        counted=tuple(counted),
    )


_GUIDELLM = ("time_to_first_token_ms", "inter_token_latency_ms", "output_tokens_per_second")


class LlamaBenchy:
    name = "llama-benchy"
    version = "0.4.0"
    figures = (
        "e2e_ttft (from before it sends), each mean; it has no time between tokens: 1 / tg_req_throughput, the tokens "
        "per second of a request, stands for it; tg_throughput (first token to last: of one stream a request's, of "
        "many a batch's, each stream with one request in it)"
    )

    def install(self) -> None:
        self._folder = installed("llama-benchy", self.version)

    def command(self, port: int, load: Load, folder: Path) -> list[str]:
        return [
            str(self._folder / "bin" / "llama-benchy"),
            *("--base-url", f"http://127.0.0.1:{port}/v1"),
            *("--model", MODEL),
            *("--tokenizer", str(self._folder / "tokenizer")),
            *("--book-url", BOOK_URL),
            *("--pp", str(PROMPT_TOKENS)),
            *("--tg", str(load.tokens)),
            "--exact-tg",
            *("--concurrency", str(load.streams)),
            *("--runs", str(load.rounds)),
            *("--format", "json"),
            *("--save-result", str(folder / "llama-benchy.json")),
        ]

    def environment(self, folder: Path) -> dict[str, str]:  # noqa: ARG002
        return offline(self._folder)

    def read(self, folder: Path, output: str, load: Load, sent: Sequence[Answer]) -> Reading:  # noqa: ARG002
        return llama_benchy_reading(json.loads((folder / "llama-benchy.json").read_bytes()), load, sent)


def llama_benchy_reading(document: dict[str, Any], load: Load, sent: Sequence[Answer]) -> Reading:
    """Its requests come batch after batch, the first of them its warm-up; what it asks before is shorter."""
    (benchmark,) = document["benchmarks"]
    counted = [answer for answer in sent if answer.tokens == load.tokens][load.streams :]
    _check("llama-benchy", counted, load)
    batches = [counted[i : i + load.streams] for i in range(0, len(counted), load.streams)]
    per_request = fmean([(answer.tokens - 1) / answer.span_s for answer in counted])
    return Reading(
        told=Figures(
            benchmark["e2e_ttft"]["mean"] / 1000,
            1 / benchmark["tg_req_throughput"]["mean"],
            benchmark["tg_throughput"]["mean"],
        ),
        true=Figures(ttft_s(counted, "begun"), 1 / per_request, fmean([_batch_tps(batch) for batch in batches])),
        counted=tuple(counted),
    )


def _batch_tps(batch: Sequence[Answer]) -> float:
    first_ns, last_ns = min(answer.sent_ns[0] for answer in batch), max(answer.sent_ns[-1] for answer in batch)
    return sum(answer.tokens - 1 for answer in batch) / (last_ns - first_ns) * NS


def offline(folder: Path) -> dict[str, str]:
    """The environment of a tool that keeps its files to its own folder, and asks no hub for a model."""
    return os.environ | {"HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}


def _check(name: str, counted: Sequence[Answer], load: Load) -> None:
    whole = sum(answer.tokens == load.tokens and answer.ended_ns > 0 for answer in counted)
    if (whole, len(counted)) != (load.requests, load.requests):
        raise BakeoffError(f"{name} counted {len(counted)} answers, {whole} of them whole, not {load.requests}")
