"""What limits a subject's accuracy; docs/quality.md lists the codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from bakeoff.analysis.findings.base import Finding
from bakeoff.analysis.findings.host import BUSY_SHARE
from bakeoff.analysis.quality_energy import answers_energy, energy_scopes
from bakeoff.analysis.quality_items import came
from bakeoff.analysis.quality_pairs import MOST_SHARE, Side
from bakeoff.quality.sampling import ADVISED_TOKENS
from bakeoff.results.answers import TaskSet
from bakeoff.units import one_line

Check = Callable[[Side, TaskSet], Finding | None]


def findings_of(side: Side, tasks: TaskSet) -> Iterator[Finding]:
    """In the order of ``CHECKS``."""
    return (finding for check in CHECKS if (finding := check(side, tasks)) is not None)


def scripted(side: Side, _: TaskSet) -> Finding | None:
    """The scripted engine, which answers what its script says."""
    if side.opened.subject.engine != "scripted":
        return None
    return Finding(code="scripted", severity="severe", evidence="the scripted engine answers what its script says",
                   advice="Name a real engine.")  # fmt: skip


def synthetic(side: Side, _: TaskSet) -> Finding | None:
    """Random weights."""
    if not side.opened.subject.model.synthetic:
        return None
    return Finding(code="synthetic", severity="severe", evidence="the weights are random, and the answers noise",
                   advice="Name real weights.")  # fmt: skip


def no_chat_template(side: Side, _: TaskSet) -> Finding | None:
    """The weights have no chat template: most such models were not trained to answer."""
    model = side.opened.subject.model
    if model.chat_template is not False or model.synthetic:
        return None
    asked = {"llamacpp": "llama.cpp asks in ChatML then, a form that the model may not know",
             "mlx": "the prompt is sent as plain text"}.get(side.opened.subject.engine, "")  # fmt: skip
    return Finding(
        code="no_chat_template",
        severity="warning",
        evidence=f"the weights have no chat template{f': {asked}' if asked else ''}",
        advice="A base model goes on writing rather than answering: take its tuned version (-it, -Instruct), or "
        "compare it with its own quantizations alone.",
    )


def unanswered(side: Side, tasks: TaskSet) -> Finding | None:
    """Answers are missing: the run was interrupted, or the engine broke off."""
    there, due = len(came(side.answers)), len(tasks.items) * tasks.samples
    failed = [answer for answer in side.answers if answer.verdict == "failed"]
    if there == due:
        return None
    why = f"; {failed[0].error}" if failed and failed[0].error else ""
    return Finding(
        code="unanswered",
        severity="warning" if there else "severe",
        evidence=f"{due - there} of {due} answers are missing{why}",
        advice="'bakeoff runs resume' asks for them.",
    )


def truncated(side: Side, tasks: TaskSet) -> Finding | None:
    """Answers were cut by the token limit; severe above 5 % of them."""
    cut = [answer for answer in side.answers if answer.verdict == "truncated"]
    if not cut:
        return None
    thought = sum(answer.answer_ns is None for answer in cut)
    share = side.share("truncated")
    return Finding(
        code="truncated",
        severity="severe" if share > MOST_SHARE else "warning",
        evidence=f"{len(cut)} of {len(came(side.answers))} answers were cut at {tasks.max_tokens:,} tokens, "
        f"{thought} of them while still thinking",
        advice=("There is no verdict on accuracy: it" if share > MOST_SHARE else "They count as wrong: accuracy")
        + f" is that of this budget. Allow more with --max-tokens {min(ADVISED_TOKENS, 4 * tasks.max_tokens)}"
        + ("." if tasks.max_tokens < ADVISED_TOKENS else ", or see whether it loops."),
    )


def ungraded(side: Side, _: TaskSet) -> Finding | None:
    """Answers of which it cannot be told whether they are right; severe above 5 % of them."""
    open_ = [answer for answer in side.answers if answer.verdict == "ungraded"]
    if not open_:
        return None
    ((why, times),) = Counter(answer.note for answer in open_).most_common(1)
    severe = side.share("ungraded") > MOST_SHARE
    since = "since" if times == len(open_) else f"{times} of them since"
    return Finding(
        code="ungraded",
        severity="severe" if severe else "warning",
        evidence=f"{len(open_)} of {len(came(side.answers))} answers could not be graded, {since}: "
        f"{why or 'it is not said'}".rstrip("."),
        advice="Accuracy leaves them out"
        + (", and with so many of them there is no verdict on it. See them in the run file." if severe else "."),
    )


def small_budget(side: Side, tasks: TaskSet) -> Finding | None:
    """A reasoning model may use fewer tokens than its authors advise."""
    if tasks.max_tokens >= ADVISED_TOKENS or not side.reasons:
        return None
    return Finding(
        code="small_budget",
        severity="info",
        evidence=f"at most {tasks.max_tokens:,} tokens an answer, where the authors of reasoning models advise "
        f"{ADVISED_TOKENS:,}",
        advice=f"Long thoughts are cut: --max-tokens {ADVISED_TOKENS} allows them.",
    )


def beyond_training(side: Side, tasks: TaskSet) -> Finding | None:
    """Prompt and answer may be longer than the model was trained to."""
    trained = side.opened.subject.model.context_trained
    if trained is None or tasks.context <= trained:
        return None
    room = tasks.context - tasks.max_tokens
    return Finding(
        code="beyond_training",
        severity="warning",
        evidence=f"a context of {tasks.context:,}, but the model was trained to {trained:,}",
        advice=f"Long answers are not to be trusted: take --max-tokens {max(1, trained - room)}.",
    )


def busy_host(side: Side, _: TaskSet) -> Finding | None:
    """Other programs had over 10 % of the processor during an answer."""
    busy = [share for answer in side.answers if (share := answer.others_cpu) is not None and share > BUSY_SHARE]
    if not busy:
        return None
    return Finding(
        code="busy_host",
        severity="warning",
        evidence=f"during {len(busy)} of {len(side.answers)} answers other programs had up to {max(busy):.0%} of the "
        "processor",
        advice="Accuracy stands; times and what a right answer costs do not compare: close them and run again.",
    )


def sampling_not_sent(side: Side, _: TaskSet) -> Finding | None:
    """The server takes no temperature, top-p or seed: it samples as it likes."""
    settings = side.opened.subject.settings
    refused = [name for name in ("temperature", "top_p", "seed") if settings.get(name) is False]
    if not refused:
        return None
    return Finding(
        code="sampling_not_sent",
        severity="warning",
        evidence=f"the server takes no {', '.join(refused)}",
        advice="It samples as it likes: compare it with others as it comes, and expect no answer to repeat.",
    )


def looping(side: Side, _: TaskSet) -> Finding | None:
    """Reasoning that ends in one passage repeated over and over."""
    looped = [place for place, thought in side.thought.items() if thought.loop_words]
    if not looped:
        return None
    return Finding(
        code="looping",
        severity="warning",
        evidence=f"{len(looped)} of {len(side.thought)} answers end in a passage that repeats, such as that to "
        f"{looped[0][0]}",
        advice="A temperature of 0.6 loops less than greedy; so may a larger quantization.",
    )


def energy_withheld(side: Side, _: TaskSet) -> Finding | None:
    """A meter was there, but the answers were too short for it, even together, or it failed."""
    there = came(side.answers)
    for scope in energy_scopes(there):
        if answers_energy(there, (), scope) is not None:
            continue
        reasons = Counter(
            reading.detail.rpartition("; ")[2]
            for answer in reversed(there)
            for reading in answer.readings
            if (reading.scope, reading.quantity, reading.value) == (scope, "energy_j", None)
        )
        why = reasons.most_common(1)[0][0] if reasons else "nothing was read in some of them"
        return Finding(
            code="energy_withheld",
            severity="warning",
            evidence=f"{scope}: it is not known what the answers took: {one_line(why)}",
            advice="More of them make it known, with --samples or --items." if "too short" in why else
            "Look at the meter, and run again: energy is only given where all answers have theirs.",
        )  # fmt: skip
    return None


def greedy(_: Side, tasks: TaskSet) -> Finding | None:
    """Each task has one greedy answer, which a near-tie between two tokens may turn."""
    if tasks.temperature > 0:
        return None
    return Finding(
        code="greedy",
        severity="info",
        evidence="one greedy answer a task: where two tokens are about as likely, engines choose unlike ones",
        advice="It shows what repeats, not how good the model is: leave --greedy out, with --samples 4.",
    )


CHECKS: tuple[Check, ...] = (
    scripted, synthetic, no_chat_template, unanswered, truncated, ungraded, looping, busy_host, sampling_not_sent,
    beyond_training, small_budget, energy_withheld, greedy,
)  # fmt: skip
