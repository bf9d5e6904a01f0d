"""What the set-up leaves lying: memory for a context that nobody uses, a slow disk, an old engine, no batch."""

from __future__ import annotations

import re

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.findings.servers import more_at_once
from bakeoff.units import bytes_text, seconds_text

LONG_CONTEXT, UNUSED_FACTOR = 16_384, 8
"""A shorter context takes little memory, and some room to spare is wise."""
SLOW_DISK_BYTES_S = 300e6
"""Half of what SATA lets a solid-state disk give (6 Gbit/s less its coding: 600 MB/s): a load does more than read."""
LONG_LOAD_S = 10.0
"""In a shorter one, the start of the engine itself may be most of it."""
OLD_BUILDS = 500
"""llama.cpp gives each change a build of its own, several a day: fewer are no age."""


def context_unused(cell: Cell) -> Finding | None:
    """llama.cpp or Ollama holds a cache for 16,384 tokens or more, over 8 times what a request here can fill."""
    subject, workload = cell.opened.subject, cell.opened.workload
    context = subject.settings.get("context")
    prompts = [t.usage.prompt_tokens for t in cell.ok if t.usage.prompt_tokens is not None]
    if subject.engine not in ("llamacpp", "ollama") or not isinstance(context, int) or not prompts:
        return None
    needed = max(prompts) + workload.max_tokens
    if context < LONG_CONTEXT or context <= UNUSED_FACTOR * needed:
        return None
    held = sum(part.bytes for part in cell.opened.engine_memory if part.what == "kv_cache")
    memory = f", {bytes_text(held)} of it," if held else ""
    unset = ", all that the model was trained to" if context == subject.model.context_trained else ""
    shorter = -(-needed // 1024) * 1024
    ours = not subject.attached or subject.engine == "ollama"
    how = f"--context {shorter}" if ours else f"the server's own limit (llama-server -c {shorter} for each slot)"
    return Finding(
        code="context_unused",
        severity="info",
        evidence=f"a cache{memory} for {context:,} tokens{unset}; a request here fills {needed:,} at most",
        advice=f"It takes memory that a larger quantization could have. Unless others need it, set {how}.",
    )


def slow_disk(cell: Cell) -> Finding | None:
    """A load of 10 s or more from a cold cache, at less than 300 MB of the model's files a second."""
    start, size = cell.opened.start, cell.opened.subject.model.size_bytes
    if start is None or not size or start.page_cache != "cold" or cell.opened.subject.engine == "scripted":
        return None
    seconds = start.load_s
    if seconds is None and cell.opened.subject.engine == "llamacpp":
        seconds = start.ready_s
    if seconds is None or seconds < LONG_LOAD_S or size / seconds >= SLOW_DISK_BYTES_S:
        return None
    return Finding(
        code="slow_disk",
        severity="info",
        evidence=f"{bytes_text(size)} took {seconds_text(seconds)} to load from the disk: "
        f"{bytes_text(size / seconds)} a second, less than a solid-state disk gives",
        advice="No rate holds it, but every start does. 'df PATH' says which disk the model lies on: move it to a "
        "faster one.",
    )


def engine_outdated(cell: Cell) -> Finding | None:
    """The engine is an older release than the newest that this version of Bakeoff knows; llama.cpp by 500 builds."""
    from bakeoff.engines.installed import KNOWN, KNOWN_ON

    subject = cell.opened.subject
    name, update = _UPDATES.get(_made_by(subject.engine, subject.engine_version or ""), ("", ""))
    told = re.search(r"\bb(\d+)" if name == "llama-server" else r"\b(\d+\.\d+[\d.]*)", subject.engine_version or "")
    if not name or told is None or not _older(name, told[1], KNOWN[name]):
        return None
    where = ", where the server runs" if subject.attached else ""
    return Finding(
        code="engine_outdated",
        severity="info",
        evidence=f"{name} {told[1]} ran; {KNOWN[name]} was the newest known in {KNOWN_ON}",
        advice=f"A newer one may be faster, and this figure is of the old one. Update it{where}: {update}.",
    )


_UPDATES = {
    "xllamacpp": ("xllamacpp", "pip install -U xllamacpp"),
    "llamacpp": ("llama-server", "brew upgrade llama.cpp, or a release of github.com/ggml-org/llama.cpp"),
    "ollama": ("ollama", "brew upgrade ollama, or curl -fsSL https://ollama.com/install.sh | sh"),
    "vllm": ("vllm", "pip install -U vllm"),
    "mlx": ("mlx-lm", "pip install -U mlx-lm"),
}


def _made_by(engine: str, version: str) -> str:
    return "xllamacpp" if engine == "llamacpp" and version.startswith("xllamacpp") else engine


def _older(name: str, here: str, known: str) -> bool:
    """By the first two numbers of a release, which a correction of it leaves; builds by their count."""
    if name == "llama-server":
        return int(known) - int(here[:12]) >= OLD_BUILDS
    return _release(here) < _release(known)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number[:9]) for number in re.findall(r"\d+", version)[:2])


def one_at_a_time(cell: Cell) -> Finding | None:
    """A window of load was asked for, but of a single stream, and the run tried no other number."""
    workload = cell.opened.workload
    single = workload.requests is not None and workload.arrival == "closed" and workload.concurrency == 1
    if not single or not cell.alone or not cell.ok:
        return None
    return Finding(
        code="one_at_a_time",
        severity="info",
        evidence=f"{workload.requests} requests a window went one after the other",
        advice="If it is throughput that counts, send them together, for an engine reads its weights once for all: try "
        f"--concurrency 1,4,16, and let the engine take as many{more_at_once(cell)}.",
    )
