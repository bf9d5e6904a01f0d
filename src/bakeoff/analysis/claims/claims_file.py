"""Claims read from TOML: those in the package by name, others by file. Every error names its line and column.

A file of claims is somebody else's text: it names hardware and models of the catalogue only, and nothing in it is
run, opened or fetched.
"""

from __future__ import annotations

import difflib
from typing import Any

import msgspec
from msgspec import structs

from bakeoff.analysis.claims.checks.agreement import span
from bakeoff.analysis.claims.checks.answers import tasks
from bakeoff.analysis.claims.claim import ANY, METRICS, NONE, Claim, Claims, ClaimSet, Conditions, Stated
from bakeoff.analysis.claims.quantity import Quantity, parse_quantity
from bakeoff.analysis.claims.reckoning import faults
from bakeoff.analysis.claims.subject import quant_of
from bakeoff.errors import UsageError
from bakeoff.hardware.catalogue import find_machine
from bakeoff.models.catalogue import find
from bakeoff.texts import Shelf, named_or_file, read_toml
from bakeoff.workload.suite_errors import told
from bakeoff.workload.toml_places import Path as Place
from bakeoff.workload.toml_places import Places

SHELF = Shelf(package="bakeoff.analysis.claims", folder="sets", noun="file of claims")


def read_claims(text: str) -> Claims:
    """The claims of that name in the package, else in that file. Raises UsageError and FileError."""
    found = named_or_file(text, SHELF)
    return parse_claims(found.name, found.text)


def schema() -> dict[str, Any]:
    """The JSON Schema of a file of claims, for editors."""
    return msgspec.json.schema(ClaimSet)


def parse_claims(name: str, text: str) -> Claims:
    """The claims of a text, each made complete. Raises UsageError with line and column."""
    return _Reader(name, text).claims()


class _Reader:
    """One text of claims, and where in it everything stands."""

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        content = read_toml(name, text, SHELF.noun)
        self._places = Places(text)
        try:
            self._about = msgspec.convert(content, ClaimSet)
        except msgspec.ValidationError as error:
            raise self._wrong(*told(str(error), ClaimSet, SHELF.noun)) from error

    def claims(self) -> Claims:
        """Every claim, checked alone and then against those that it names."""
        stated: dict[str, Stated] = {}
        for number, claim in enumerate(self._about.claims):
            if claim.id in stated:
                raise self._wrong(
                    ("claims", number, "id"), f"there is another claim {claim.id!r}: name this otherwise."
                )
            stated[claim.id] = Stated(claim=self._complete(claim), figure=self._figure(number, claim))
        for number, one in enumerate(stated.values()):
            self._check_subject(number, one.claim)
            self._check_reckoning(number, one.claim, stated)
        return Claims(name=self._name, about=self._about, stated=stated)

    def _wrong(self, path: Place, sentence: str, key: bool = False) -> UsageError:
        line, column = self._places.key(path) if key else self._places.value(path)
        return UsageError(f"{self._name}, line {line}, column {column}: {sentence}")

    def _complete(self, claim: Claim) -> Claim:
        """The claim, with the file's conditions where it has none of its own."""
        common = {
            field: value
            for field in Conditions.__struct_fields__
            if getattr(claim, field) is None and (value := getattr(self._about.conditions, field)) is not None
        }
        split = {"gpu_layers", "gpu_share"}
        if any(getattr(claim, field) is not None for field in split):
            common = {field: value for field, value in common.items() if field not in split}
        return structs.replace(claim, **common)

    def _figure(self, number: int, claim: Claim) -> Quantity | None:
        rule, place = METRICS[claim.metric], ("claims", number, "claimed")
        if not rule.dimension:
            if rule.words and claim.claimed not in rule.words:
                raise self._wrong(place, f"{claim.metric} is one of: {', '.join(rule.words)}.")
            return None
        try:
            figure = parse_quantity(claim.claimed)
        except UsageError as error:
            raise self._wrong(place, str(error)) from error
        wanted = rule.dimension
        if wanted not in (ANY, figure.dimension) and not (wanted == "money*" and figure.dimension.startswith("money")):
            kind = wanted.removesuffix("*")
            raise self._wrong(
                place, f"{claim.metric} is measured in {kind}, and {figure.unit!r} is {figure.dimension}."
            )
        return figure

    def _check_subject(self, number: int, claim: Claim) -> None:
        """What the metric needs is there, and is known by that name."""
        for key in METRICS[claim.metric].needs:
            if not getattr(claim, key):
                raise self._wrong(
                    ("claims", number), f"{claim.metric} needs the key {key!r}: {claim.id} has none.", True
                )
        if claim.metric == "size_ratio" and not (claim.model or claim.models):
            raise self._wrong(("claims", number), f"{claim.metric} needs the key 'model' or 'models'.", True)
        if claim.metric == "method" and self._about.protocol is None:
            raise self._wrong(("claims", number), "a claim about the method needs the table [protocol].", True)
        if claim.gpu_layers is not None and claim.gpu_share is not None:
            raise self._wrong(("claims", number, "gpu_share"), "say gpu_layers or gpu_share, not both.", True)
        for key, known in (("hardware", find_machine), ("model", find), ("quant", quant_of), ("against", quant_of)):
            value = getattr(claim, key)
            if value is None or (key == "quant" and value == ANY and claim.metric == "fits"):
                continue
            self._known_as(("claims", number, key), known, value)
        for key, known in (("among", find_machine), ("models", find)):
            for place, value in enumerate(getattr(claim, key)):
                self._known_as(("claims", number, key, place), known, value)
        if claim.task is not None:
            self._known_as(("claims", number, "task"), _task, claim.task)
        if claim.metric == "recommended" and claim.claimed != NONE:
            self._known_as(("claims", number, "claimed"), quant_of, claim.claimed)
        for place, text in enumerate(claim.ranges):
            self._known_as(("claims", number, "ranges", place), span, text)
        for place, reference in enumerate(claim.references):
            self._known_as(("claims", number, "references", place, "value"), parse_quantity, reference.value)

    def _known_as(self, place: Place, known: Any, value: str) -> None:
        try:
            known(value)
        except UsageError as error:
            raise self._wrong(place, str(error)) from error

    def _check_reckoning(self, number: int, claim: Claim, stated: dict[str, Stated]) -> None:
        """What it reckons with is there, and is of a kind that can be used so."""
        fault = next(faults(claim, stated), None)
        if fault is not None:
            raise self._wrong(("claims", number, *fault.place), fault.sentence, fault.key)


def _task(name: str) -> None:
    if name not in tasks():
        near = difflib.get_close_matches(name, tasks(), 1, 0.5)
        hint = f"Did you mean {near[0]!r}?" if near else "docs/tasks.md lists the sets."
        raise UsageError(f"there is no task {name!r} that is graded without running code. {hint}")
