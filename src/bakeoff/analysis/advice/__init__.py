"""Advice: one paragraph that names what to take and why, each sentence with its rule, its inputs and their sources."""

from __future__ import annotations

from bakeoff.analysis.advice.evidence import Evidence, evidence
from bakeoff.analysis.advice.pick import Pick, Site
from bakeoff.analysis.advice.rules import RULES, RuleName
from bakeoff.analysis.advice.sentences import Advice, Load, Sentence, advise

__all__ = ["RULES", "Advice", "Evidence", "Load", "Pick", "RuleName", "Sentence", "Site", "advise", "evidence"]
