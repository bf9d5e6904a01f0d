"""Whether prompts were worked through, or taken from the engine's cache."""

from __future__ import annotations

from bakeoff.analysis.findings.base import Cell, Finding
from bakeoff.analysis.findings.servers import cache_off

BY_CHANCE = 2
"""Tokens beyond the template's that two unlike prompts may share: the first word of one in so many others."""
BY_CHANCE_SHARE = 0.1


def cache_hit(cell: Cell) -> Finding | None:
    """Prompt tokens came from the engine's cache, beyond what its chat template itself puts first."""
    allowed = cell.opened.template_tokens or 0
    hits = [t for t in cell.ok if (t.usage.cached_tokens or 0) > allowed]
    if not hits:
        return None
    most = max(hits, key=lambda t: t.usage.cached_tokens or 0)
    asked = cell.opened.workload.cache == "warm"
    whole = f"of {most.usage.prompt_tokens} " if most.usage.prompt_tokens is not None else ""
    beyond = (most.usage.cached_tokens or 0) - allowed
    chance = beyond <= BY_CHANCE and beyond <= BY_CHANCE_SHARE * (most.usage.prompt_tokens or 0)
    return Finding(
        code="cache_hit",
        severity="info" if asked or chance else "severe",
        evidence=f"{len(hits)} of {len(cell.ok)} trials took up to {most.usage.cached_tokens} {whole}"
        "prompt tokens from the engine's cache",
        advice="--cache warm asked for it: do not compare this TTFT with that of a fresh prompt."
        if asked
        else "So few are the first word of an earlier prompt, by chance: TTFT is too good by their share at most."
        if chance
        else f"TTFT is too good. {cache_off(cell)}.",
    )


def cache_unproven(cell: Cell) -> Finding | None:
    """The engine does not say what came from its cache."""
    if not cell.ok or all(t.usage.cached_tokens is not None for t in cell.ok):
        return None
    tell = " vllm serve --enable-prompt-tokens-details makes it tell." if cell.opened.subject.engine == "vllm" else ""
    return Finding(
        code="cache_unproven",
        severity="info",
        evidence="the engine does not say how much of a prompt came from its cache",
        advice=f"Each prompt was unique from its first words, so that nothing should match.{tell}"
        if cell.opened.workload.cache == "cold"
        else "The prompt was repeated with the cache left on: whether TTFT is a cached one is not known, and there is "
        f"no prefill rate.{tell}",
    )
