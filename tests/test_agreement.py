"""How far next tokens agree: the divergence by its theory, an engine's own words, and whole runs of planted ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from bakeoff.analysis.agreement import AgreementSummary
from bakeoff.engines.base import Engine
from bakeoff.engines.llama_attached import AttachedLlama
from bakeoff.engines.llama_foretelling import LlamaForeteller
from bakeoff.engines.options import EngineOptions
from bakeoff.engines.vllm import Vllm
from bakeoff.engines.vllm_foretelling import VllmForeteller
from bakeoff.engines.vllm_serve import Served
from bakeoff.errors import BakeoffError, BrokenReply, FileError
from bakeoff.report.agreement import agreement_sentences
from bakeoff.report.quality import quality_document
from bakeoff.results.records import Model
from bakeoff.results.runfile import read_run
from bakeoff.run.contestant import Contestant
from bakeoff.run.file import RunFile
from bakeoff.run.foretelling import MOST_PLACES, TOP, agreement_of, spread
from bakeoff.run.plan import Entrant, Plan
from bakeoff.run.resume import plan_to_resume
from bakeoff.run.session import run_all
from bakeoff.stats.divergence import shared_kl
from tests.answering import Oracle, answerer_for, plan_of, right, summary_of, sums
from tests.fake_vllm import FakeVllmServer
from tests.fakes import MODEL, FakeLlamaServer, hosted, ok
from tests.servers import Received, run, saying, serving, sized
from tests.test_cli import Bakeoff, bakeoff, own_home
from tests.test_runner import HOST, Silent, ids

__all__ = ["bakeoff", "own_home"]

DATA = Path(__file__).parent / "data"

# The divergence

weights = st.lists(st.floats(0.001, 1.0), min_size=2, max_size=30)


def likeliest(p: Sequence[float], top: int) -> dict[int, float]:
    """The ``top`` likeliest, as engines name them."""
    order = sorted(range(len(p)), key=lambda token: -p[token])[:top]
    return {token: math.log(p[token]) for token in order}


def normal(values: Sequence[float]) -> list[float]:
    return [value / math.fsum(values) for value in values]


@given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0.001, 1.0)), min_size=2, max_size=30), st.integers(1, 30))
def test_what_is_named_bounds_the_divergence_from_below_and_never_below_zero(
    pairs: list[tuple[float, float]], top: int
) -> None:
    p, q = normal([a for a, _ in pairs]), normal([b for _, b in pairs])
    found, lump = shared_kl(likeliest(p, top), likeliest(q, top))
    assert 0 <= found <= float(np.sum(rel_entr(p, q))) + 1e-9
    assert 0 <= lump <= 1


@given(weights, st.integers(1, 30))
def test_a_distribution_does_not_diverge_from_itself(values: list[float], top: int) -> None:
    p = likeliest(normal(values), top)
    assert shared_kl(p, p)[0] == pytest.approx(0, abs=1e-12)


def test_with_every_token_named_it_is_the_divergence_itself() -> None:
    p, q = [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]
    found, lump = shared_kl(likeliest(p, 3), likeliest(q, 3))
    assert found == pytest.approx(float(np.sum(rel_entr(p, q))))
    assert lump == pytest.approx(0)


def test_tokens_that_only_one_names_are_part_of_the_lump() -> None:
    p, q = {0: math.log(0.6), 1: math.log(0.3)}, {0: math.log(0.5), 2: math.log(0.4)}
    found, lump = shared_kl(p, q)
    assert lump == pytest.approx(0.4)
    assert found == pytest.approx(0.6 * math.log(0.6 / 0.5) + 0.4 * math.log(0.4 / 0.5))


# What a server says


def asking(reply: bytes, most: int = 3) -> Any:
    async def main() -> Any:
        async with serving(saying(sized(reply))) as (url, _):
            return await LlamaForeteller(url, MODEL).answer((1, 2), most, TOP)

    return run(main())


def test_a_real_reply_has_the_answers_tokens_and_the_likeliest_of_each() -> None:
    """Recorded from llama-server b11434 on a processor with two cores: SmolLM2-135M-Instruct Q4_1, three tokens."""
    answer, at = asking((DATA / "next-tokens-llama-server-b11434.json").read_bytes())
    assert [place.ids[0] for place in at] == list(answer)  # greedy: it took the likeliest
    assert [len(place.ids) for place in at] == [20, 20, 20]
    for place in at:
        assert list(place.logprobs) == sorted(place.logprobs, reverse=True)
        assert 0.5 < math.fsum(map(math.exp, place.logprobs)) <= 1 + 1e-6


ONE = {"id": 3, "logprob": -0.1}


@pytest.mark.parametrize(
    "reply",
    [
        {"content": "a", "tokens": [1], "completion_probabilities": [{"probs": [{"tok_str": "a", "prob": 0.5}]}]},
        {"content": "a"},
        {"tokens": [1], "completion_probabilities": [{"top_logprobs": []}]},
        {"tokens": [1], "completion_probabilities": [{"top_logprobs": [ONE, ONE]}]},
        {"tokens": [1], "completion_probabilities": [{"top_logprobs": [{"id": -1, "logprob": -0.1}]}]},
        {"tokens": [1], "completion_probabilities": [{"top_logprobs": [{"id": 1, "logprob": 3.0}]}]},
        {"tokens": [1], "completion_probabilities": [{"top_logprobs": [{"id": 1, "logprob": None}]}]},
        [],
    ],
)
def test_a_reply_without_probabilities_that_can_be_used_is_told_in_a_sentence(reply: Any) -> None:
    with pytest.raises(BrokenReply, match="does not tell at /completion what --agreement needs"):
        asking(json.dumps(reply).encode())


def asking_vllm(reply: bytes) -> Any:
    async def main() -> Any:
        async with serving(saying(sized(reply))) as (url, seen):
            return await VllmForeteller(url, {}, MODEL).answer((1, 2), 3, TOP), json.loads(seen[0].body)

    return run(main())


def test_a_real_reply_of_vllm_has_the_same_by_token_ids() -> None:
    """Recorded from vLLM 0.32.0 on a processor: SmolLM2-135M-Instruct, three tokens."""
    (answer, at), body = asking_vllm((DATA / "next-tokens-vllm-0.32.0-cpu.json").read_bytes())
    assert answer == (2068, 5482, 451)
    assert [place.ids[0] for place in at] == list(answer)
    assert [len(place.ids) for place in at] == [20, 20, 20]
    assert at[0].logprobs[0] == pytest.approx(-1.3171989)
    assert all(list(place.logprobs) == sorted(place.logprobs, reverse=True) for place in at)
    assert (body["logprobs"], body["temperature"], body["return_tokens_as_token_ids"]) == (20, 0, True)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {"tokens": ["token_id:1"], "top_logprobs": []},
        {"tokens": ["token_id:1"], "top_logprobs": [{}]},
        {"tokens": [" the"], "top_logprobs": [{" the": -0.1}]},
        {"tokens": ["token_id:-1"], "top_logprobs": [{"token_id:-1": -0.1}]},
        {"tokens": ["token_id:1"], "top_logprobs": [{"token_id:1": None}]},
    ],
)
def test_a_vllm_that_tells_too_little_is_told_in_a_sentence(logprobs: Any) -> None:
    with pytest.raises(BrokenReply, match="does not tell at /v1/completions what --agreement needs"):
        asking_vllm(json.dumps({"choices": [{"logprobs": logprobs}]}).encode())


def test_what_vllm_is_to_forget_is_asked_under_another_salt() -> None:
    reply = (DATA / "next-tokens-vllm-0.32.0-cpu.json").read_bytes()

    async def main() -> list[str]:
        async with serving(saying(sized(reply))) as (url, seen):
            foreteller = VllmForeteller(url, {}, MODEL)
            for forgets in (False, False, True):
                if forgets:
                    foreteller.forget()
                await foreteller.answer((1, 2), 3, TOP)
            return [json.loads(each.body)["cache_salt"] for each in seen]

    first, second, third = run(main())
    assert first == second != third


# Whole runs

A = ((0.1, 0.5, 0.3, 0.1), (0.2, 0.1, 0.6, 0.1), (0.4, 0.3, 0.2, 0.1), (0.1, 0.2, 0.2, 0.5))
B = ((0.1, 0.3, 0.5, 0.1), (0.2, 0.1, 0.6, 0.1), (0.3, 0.4, 0.2, 0.1), (0.1, 0.2, 0.3, 0.4))
LENGTH = 6


class Planted(FakeLlamaServer):
    """Foretells by a table: what comes next depends on the sum of all tokens before it. ``names`` at most so many."""

    def __init__(
        self, table: Sequence[Sequence[float]], *, names: int = 100, vocabulary: int = 4, shift: int = 0
    ) -> None:
        super().__init__(stops_after=2)
        self.table = table
        self.names = names
        self.vocabulary = vocabulary
        self.shift = shift
        self.breaks_after = 1000
        self.completions: list[dict[str, Any]] = []

    def lookup(self, request: Received) -> bytes | None:
        body = json.loads(request.body) if request.body else {}
        match request.path:
            case "/apply-template":
                return ok({"prompt": f"<user>{body['messages'][0]['content']}"})
            case "/tokenize":
                return ok({"tokens": [(ord(letter) + self.shift) % 4 for letter in body["content"]]})
            case "/completion":
                self.completions.append(body)
                if len(self.completions) > self.breaks_after:
                    return sized(b'{"error": "out of memory"}', b"500 Internal Server Error")
                return ok(self.complete(body))
        return super().lookup(request)

    def models(self) -> bytes:
        card = {"id": MODEL, "owned_by": self.owner, "meta": {"n_vocab": self.vocabulary}}
        return ok({"data": [card]})

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        tokens, places = list(body["prompt"]), []
        for _ in range(min(body["n_predict"], LENGTH)):
            p = self.table[sum(tokens) % 4]
            order = sorted(range(4), key=lambda token: -p[token])[: min(body["n_probs"], self.names)]
            places.append({"top_logprobs": [{"id": each, "logprob": math.log(p[each])} for each in order]})
            tokens.append(order[0])
        return {"tokens": tokens[len(body["prompt"]) :], "completion_probabilities": places}


class PlantedVllm(FakeVllmServer):
    """The same of vLLM: it takes 20 at most, and names tokens by their ids, in no order."""

    def __init__(self, table: Sequence[Sequence[float]]) -> None:
        super().__init__(stops_after=2)
        self.planted = Planted(table)

    def lookup(self, request: Received) -> bytes | None:
        body = json.loads(request.body) if request.body else {}
        if request.path == "/tokenize" and body != self.hello:
            messages = body.get("messages")
            text = f"<user>{messages[0]['content']}" if messages else body["prompt"]
            return ok({"tokens": [ord(letter) % 4 for letter in text]})
        if request.path == "/v1/completions" and "stream" not in body:
            assert body["logprobs"] <= 20
            found = self.planted.complete({**body, "n_predict": body["max_tokens"], "n_probs": body["logprobs"]})
            top = [{f"token_id:{each['id']}": each["logprob"] for each in reversed(place["top_logprobs"])}
                   for place in found["completion_probabilities"]]  # fmt: skip
            tokens = [f"token_id:{token}" for token in found["tokens"]]
            return ok({"choices": [{"logprobs": {"tokens": tokens, "top_logprobs": top}}]})
        return super().lookup(request)

    hello: ClassVar = {
        "model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True
    }  # fmt: skip


def engine_at(server: Planted | PlantedVllm, url: str) -> Engine:
    if isinstance(server, PlantedVllm):
        return Vllm(Served(name=MODEL, source=MODEL), Model(name=MODEL), EngineOptions(url=url))
    return AttachedLlama(MODEL, url, opens_thinking=lambda _: False)


def agreeing(
    folder: Path, servers: Mapping[str, Planted | PlantedVllm], path: Path | None = None, **judging: Any
) -> tuple[Path, list[BakeoffError]]:
    """A run of these servers on six tasks, or what is left of it."""
    plan = plan_of(*servers, **{"agreement": 5, **judging})
    tasks = sums(6)
    with ExitStack() as stack:
        urls = {name: stack.enter_context(hosted(server)) for name, server in servers.items()}

        def make(entrant: Entrant) -> Contestant:
            return Contestant(entrant.text, engine_at(servers[entrant.text], urls[entrant.text]), ids)

        return done(folder, plan, make, tasks, path)


def done(folder: Path, plan: Plan, make: Any, tasks: Any, path: Path | None = None) -> tuple[Path, list[BakeoffError]]:
    before = read_run(path, to_resume=True) if path else None
    plan = plan_to_resume(before, HOST) if before else plan
    file = RunFile.old(path, HOST) if path else RunFile.new(folder, "bakeoff quality", plan, HOST)
    answerer = answerer_for(plan, tasks, path)
    agreement = agreement_of(plan, answerer.tasks, before)
    errors = run_all(plan, make, file, Silent(), before=before, answerer=answerer, agreement=agreement)
    return file.path, errors


def agreement_in(path: Path) -> AgreementSummary:
    found = summary_of(path).agreement
    assert found is not None
    return found


def planted_kl(path: Path) -> list[float]:
    """Each task's mean divergence of B from A at the places of A's answers, by the tables alone."""
    rows = {n: float(np.sum(rel_entr(A[n], B[n]))) for n in range(4)}
    return [
        float(np.mean([rows[sum((*answer.prompt, *answer.answer[:place])) % 4] for place in answer.places]))
        for answer in read_run(path).reference_answers
    ]


def test_planted_distributions_come_out_with_their_own_divergence(tmp_path: Path) -> None:
    path, errors = agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)})
    assert errors == []
    found = agreement_in(path)
    (other,) = found.others
    assert (found.reference, other.name, other.tasks, other.places) == ("a", "b", 5, 5 * LENGTH)
    assert other.kl.point == pytest.approx(float(np.mean(planted_kl(path))), abs=1e-5)
    assert other.unnamed == 0
    assert other.lump == pytest.approx(0, abs=1e-5)
    answers = read_run(path).reference_answers
    rows = [[sum((*a.prompt, *a.answer[:n])) % 4 for n in a.places] for a in answers]
    same = [[int(np.argmax(A[row]) == np.argmax(B[row])) for row in each] for each in rows]
    assert {each for task in same for each in task} == {0, 1}
    assert other.same.point == pytest.approx(np.mean(same))
    taken = [[math.log(max(A[row])) for row in each] for each in rows]
    given_ = [[math.log(B[row][int(np.argmax(A[row]))]) for row in each] for each in rows]
    assert other.log_ratio.point == pytest.approx(np.mean(np.array(given_) - np.array(taken)), abs=1e-5)
    assert other.kl.low is not None
    assert 0 <= other.kl.low <= other.kl.point


@pytest.mark.parametrize("first", ["a", "v"])
def test_engines_of_either_kind_are_held_against_each_other(tmp_path: Path, first: str) -> None:
    servers: dict[str, Planted | PlantedVllm]
    servers = {"a": Planted(A), "v": PlantedVllm(B)} if first == "a" else {"v": PlantedVllm(A), "a": Planted(B)}
    path, errors = agreeing(tmp_path, servers)
    assert errors == []
    (other,) = agreement_in(path).others
    assert other.kl.point == pytest.approx(float(np.mean(planted_kl(path))), abs=1e-5)
    assert other.same.point < 1


def test_the_reference_against_itself_shows_what_no_difference_looks_like(tmp_path: Path) -> None:
    floor = agreement_in(agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)})[0]).floor
    assert (floor.same.point, floor.kl.point, floor.log_ratio.point) == (1, 0, 0)


def test_a_server_that_names_few_gives_a_lower_bound_and_tells_how_much_is_lumped(tmp_path: Path) -> None:
    path, _ = agreeing(tmp_path, {"a": Planted(A, names=2), "b": Planted(B, names=2)})
    (other,) = agreement_in(path).others
    assert 0 <= other.kl.point < np.mean(planted_kl(path))
    assert other.lump > 0.1


def test_the_servers_are_given_the_same_tokens_each_answer_anew_and_cached_from_place_to_place(tmp_path: Path) -> None:
    a, b = Planted(A), Planted(B)
    path, _ = agreeing(tmp_path, {"a": a, "b": b})
    forced = [body for body in a.completions if body["n_predict"] == 1]
    assert [body["prompt"] for body in forced] == [body["prompt"] for body in b.completions]
    assert len(a.completions) - len(forced) == 5
    for body in (*a.completions, *b.completions):
        assert (body["n_probs"], body["post_sampling_probs"]) == (TOP, False)
    assert [body["cache_prompt"] for body in b.completions] == [False, *[True] * (LENGTH - 1)] * 5
    assert [body["cache_prompt"] for body in forced] == [body["cache_prompt"] for body in b.completions]
    first = read_run(path).reference_answers[0]
    assert forced[1]["prompt"] == [*first.prompt, first.answer[0]]


def test_the_reference_may_be_named_and_is_asked_first(tmp_path: Path) -> None:
    path, errors = agreeing(tmp_path, {"b": Planted(B), "a": Planted(A)}, reference="a")
    assert errors == []
    assert agreement_in(path).reference == "a"
    assert [other.name for other in agreement_in(path).others] == ["b"]


@pytest.mark.parametrize(
    ("other", "why"), [(Planted(B, vocabulary=5), "5 tokens, not 4"), (Planted(B, shift=1), "other tokens")]
)
def test_another_vocabulary_is_refused_in_a_sentence(tmp_path: Path, other: Planted, why: str) -> None:
    path, errors = agreeing(tmp_path, {"a": Planted(A), "b": other})
    assert [why in str(error) and "another vocabulary" in str(error) for error in errors] == [True]
    assert agreement_in(path).others == ()


def test_a_subject_that_tells_no_probabilities_is_named(tmp_path: Path) -> None:
    engines = {name: Oracle(right) for name in "ab"}
    make = lambda entrant: Contestant(entrant.text, engines[entrant.text], ids)  # noqa: E731
    path, errors = done(tmp_path, plan_of("a", "b", agreement=2), make, sums(3))
    assert ["a does not tell how likely its next tokens are" in str(error) for error in errors] == [True]
    assert summary_of(path).agreement is None


def test_a_run_cut_behind_any_record_comes_to_the_same_and_asks_for_nothing_again(tmp_path: Path) -> None:
    path, _ = agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)}, agreement=2)
    whole, lines = agreement_in(path), path.read_bytes().splitlines(keepends=True)
    begun = next(n for n, line in enumerate(lines) if b'"reference_answer"' in line)
    for kept in range(begun, len(lines)):
        cut = tmp_path / "cut.jsonl"
        cut.write_bytes(b"".join(lines[:kept]))
        servers = {"a": Planted(A), "b": Planted(B)}
        _, errors = agreeing(tmp_path, servers, cut)
        assert errors == []
        assert agreement_in(cut) == whole
        again = sum(body["n_predict"] == 1 for server in servers.values() for body in server.completions)
        missing = 4 - sum(b'"foretold"' in line for line in lines[:kept])
        assert again == missing * LENGTH


def test_a_server_that_breaks_off_leaves_a_run_that_can_be_gone_on_with(tmp_path: Path) -> None:
    whole = agreement_in(agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)})[0])
    broken = Planted(B)
    broken.breaks_after = 8
    path, errors = agreeing(tmp_path, {"a": Planted(A), "b": broken})
    assert ["answered 500" in str(error) for error in errors] == [True]
    before = read_run(path)
    assert before.ended is not None
    assert before.ended.status == "failed"
    assert agreement_in(path).others[0].tasks == 1
    _, errors = agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)}, path)
    assert errors == []
    assert agreement_in(path) == whole


def test_the_words_give_each_figure_its_interval_and_say_what_it_is_not(tmp_path: Path) -> None:
    path, _ = agreeing(tmp_path, {"a": Planted(A, names=3), "b": Planted(B, names=3)})
    words = "\n".join(agreement_sentences(agreement_in(path)))
    assert "at 30 of the 30 places of a's own greedy answers to 5 tasks; by up to 3 likeliest of each" in words
    assert "b: the same likeliest token at" in words
    assert "KL at least" in words
    assert "a against itself" in words
    assert "does not rank nearly lossless quantizations by accuracy" in words
    document = json.loads(msgspec.json.encode(quality_document(summary_of(path), "file")))
    assert document["agreement"]["others"][0]["name"] == "b"
    assert document["agreement"]["floor"]["kl"]["point"] == 0


def test_a_probability_of_nought_is_shown_and_breaks_nothing(tmp_path: Path) -> None:
    path, _ = agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)})
    half, nought = f"{math.log(0.4):.6f}".encode(), b"-3.4028234663852886e38"  # how llama.cpp writes it
    lines = path.read_bytes().splitlines(keepends=True)
    assert half in lines[-2]  # b's last
    path.write_bytes(b"".join([*lines[:-2], lines[-2].replace(half, nought), lines[-1]]))
    (other,) = agreement_in(path).others
    assert math.isfinite(other.kl.point)
    assert "nan" not in " ".join(agreement_sentences(agreement_in(path)))


def test_places_are_spread_evenly_from_the_first_to_the_last() -> None:
    assert spread(3, MOST_PLACES) == (0, 1, 2)
    assert spread(0, MOST_PLACES) == ()
    far = spread(200, MOST_PLACES)
    assert (len(set(far)), far[0], far[-1]) == (MOST_PLACES, 0, 199)
    assert {b - a for a, b in pairwise(far)} <= {6, 7}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"places":[0,', b'"places":[99,'),
        (b'"places":[0,', b'"places":['),
        (b'"type":"foretold","entrant":1,"item":"sum-', b'"type":"foretold","entrant":1,"item":"sun-'),
        (b'"type":"foretold","entrant":1', b'"type":"foretold","entrant":0'),
        (b'"type":"reference_answer","entrant":0', b'"type":"reference_answer","entrant":7'),
        (b'"logprobs":[-', b'"logprobs":['),
        (b'"logprobs":[-', b'"logprobs":[-1,-'),
    ],
)
def test_a_file_whose_foretold_tokens_do_not_belong_together_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    path, _ = agreeing(tmp_path, {"a": Planted(A), "b": Planted(B)})
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(FileError, match=r"is damaged|is not a Bakeoff record"):
        read_run(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("llamacpp:smollm2", "--agreement", "4"), "name another subject"),
        (
            ("llamacpp:smollm2", "ollama:smollm2", "--agreement", "4"),
            "and vLLM (vllm:) alone",
        ),
        (
            ("scripted:steady", "scripted:thinking", "--agreement", "4"),
            "and vLLM (vllm:) alone",
        ),
        (("llamacpp:smollm2", "llamacpp:x.gguf", "--agreement", "1"), "--agreement"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_asked(
    arguments: tuple[str, ...], words: str, bakeoff: Bakeoff
) -> None:
    said = bakeoff("quality", *arguments, "--tasks", "article-train", "--max-tokens", "8")
    assert said.code == 2
    assert words in " ".join(said.err.split())
