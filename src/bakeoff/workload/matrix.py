"""A suite spread out: which engine is started for which model and settings, and all that is asked of it then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from itertools import product
from math import prod
from typing import Any

from msgspec import Struct, structs

from bakeoff.errors import UsageError
from bakeoff.workload.arrivals import default_requests, slots_for
from bakeoff.workload.asked import Asked
from bakeoff.workload.suite import Exclude, Sampling, Settings, SubjectEntry, WorkloadEntry
from bakeoff.workload.suite_entries import Choice, engines_of, subjects_of, workloads_of
from bakeoff.workload.suite_errors import near
from bakeoff.workload.suite_file import SuiteFile
from bakeoff.workload.toml_places import Path as Place

MOST_CELLS = 100_000
_AXES = ("quant", "context", "gpu_layers", "max_tokens", "concurrency", "rate_rps", "sampling")
_DEFAULTS: dict[str, Any] = {
    "quant": None,
    "context": None,
    "gpu_layers": "auto",
    "max_tokens": 128,
    "concurrency": 1,
    "rate_rps": None,
    "sampling": Sampling(),
}


class Start(Struct, frozen=True, kw_only=True):
    """One start of an engine: ``subject`` is ``ENGINE:MODEL[@QUANT]``. ``context`` None leaves it to the engine.

    ``gpu_layers``: None as many as fit, -1 all. ``parallel``: requests that it has to answer at once.
    """

    subject: str
    context: int | None
    gpu_layers: int | None
    parallel: int
    asked: tuple[Asked, ...]


class _Cell(Struct, frozen=True):
    """One cell on its way to a start; ``place`` is its workload's in the file."""

    engine: str
    model: str
    axes: dict[str, Any]
    asked: Asked
    place: Place


def starts(file: SuiteFile, choice: Choice) -> list[Start]:
    """Every start of an engine that the suite asks for, in its order; cells that share one are together.

    Raises UsageError, with the place in the file, where the suite cannot be done as it is written: no cell is left,
    a cell cannot be, a name is unknown or there twice.
    """
    suite = file.suite
    for engine in suite.instead:
        if engine not in choice.known:
            raise file.wrong(("instead", engine), f"there is no engine {engine!r}. {near(engine, choice.known)}", True)
    subjects = [(entry, engine) for entry, _ in subjects_of(file, choice) for engine in engines_of(file, entry, choice)]
    workloads = workloads_of(file)
    _check_number(file, len(subjects) * len(workloads))
    rows = [
        _Row(engine, entry, workload, place, choice, file)
        for entry, engine in subjects
        for workload, place in workloads
    ]
    _check_number(file, sum(prod(map(len, row.axes.values())) for row in rows))
    cells = [cell for row in rows for cell in row.cells()]
    kept = _named_apart([cell for cell in cells if not any(_is_out(cell, rule) for rule in suite.exclude)])
    if not kept:
        why = "every cell of it is excluded" if cells else "it has no subject or no workload"
        raise file.wrong(("exclude",) if cells else (), f"the suite has no cell to measure: {why}.")
    return _together(file, kept) * suite.repeats


def _check_number(file: SuiteFile, cells: int) -> None:
    """Raise UsageError where there are too many, before they are spread out."""
    if cells * file.suite.repeats > MOST_CELLS:
        words = f"{cells * file.suite.repeats:,} cells, more than {MOST_CELLS:,}: take some out."
        raise file.wrong((), f"the suite has {words}")


class _Row:
    """One workload of one subject on one engine, before its settings are multiplied."""

    def __init__(
        self, engine: str, entry: SubjectEntry, workload: WorkloadEntry, place: Place, choice: Choice, file: SuiteFile
    ) -> None:
        self._engine = engine
        self._workload = workload
        self._place = place
        self._file = file
        self._places: tuple[Settings, ...] = (choice.settings, workload, entry, file.suite.settings)
        self._model = entry.subject.removeprefix(f"{engine}:")
        self.axes = {name: self._values(name) for name in _AXES}
        if workload.shape:
            self.axes["max_tokens"] = [workload.max_tokens]
        if engine not in choice.with_quant or self._model.lower().endswith(".gguf"):
            self.axes["quant"] = [None]
        elif "@" in self._model:
            self._model, _, quant = self._model.rpartition("@")
            self.axes["quant"] = [quant]

    def cells(self) -> Iterator[_Cell]:
        """One for each combination of the settings. Raises UsageError where prompt and answer cannot fit."""
        for values in product(*self.axes.values()):
            axes = dict(zip(self.axes, values, strict=True))
            quant = axes["quant"]
            axes["quant"] = self._file.suite.instead.get(self._engine, {}).get(quant, quant) if quant else None
            yield _Cell(self._engine, self._model, axes, self._asked(axes), self._place)

    def _values(self, name: str) -> list[Any]:
        """The values of a setting: the command line's, else the workload's, the subject's, the suite's."""
        said = (getattr(place, name) for place in self._places if getattr(place, name) is not None)
        found = next(said, _DEFAULTS.get(name))
        return found if isinstance(found, list) else [found]

    def _asked(self, axes: dict[str, Any]) -> Asked:
        (arrival,), (requests,), (slo,), (cache,) = map(self._values, ("arrival", "requests", "slo", "cache"))
        if requests is None and axes["rate_rps"] is None and max(self.axes["concurrency"]) > 1:
            requests = default_requests(axes["concurrency"], None)
        asked = Asked(
            name=self._workload.name or "",
            prompt=self._workload.prompt,
            prompt_tokens=self._workload.prompt_tokens,
            shape=self._workload.shape,
            max_tokens=axes["max_tokens"],
            context=axes["context"] or Asked().context,
            temperature=axes["sampling"].temperature,
            top_p=axes["sampling"].top_p,
            cache=cache or "cold",
            concurrency=axes["concurrency"],
            arrival="closed" if axes["rate_rps"] is None else arrival or "poisson",
            rate_rps=axes["rate_rps"],
            requests=requests,
            slo=slo,
        )
        try:
            asked.check_room()
        except UsageError as error:
            sentence = str(error).replace("set --context", "set its context")
            raise self._file.wrong(self._place, f"{asked.name}: {sentence}") from error
        return asked


def _is_out(cell: _Cell, rule: Exclude) -> bool:
    """Whether all that the rule says is true of the cell."""
    texts = {
        "subject": [cell.model, f"{cell.engine}:{cell.model}", _text(cell), _text(cell).partition(":")[2]],
        "engine": [cell.engine],
        "quant": [cell.axes["quant"] or ""],
        "workload": [cell.asked.name],
    }
    for name in structs.asdict(rule):
        wanted = getattr(rule, name)
        if wanted is None:
            continue
        wanted = wanted if isinstance(wanted, list) else [wanted]
        if name in texts:
            if not any(fnmatchcase(text.lower(), pattern.lower()) for text in texts[name] for pattern in wanted):
                return False
        elif cell.axes[name] not in wanted:
            return False
    return True


def _text(cell: _Cell) -> str:
    quant = cell.axes["quant"]
    return f"{cell.engine}:{cell.model}" + (f"@{quant}" if quant else "")


def _named_apart(cells: list[_Cell]) -> list[_Cell]:
    """The same, with what differs between workloads of one name in their names."""
    differing: dict[str, dict[str, set[Any]]] = {}
    labels = [_labels(cell.asked) for cell in cells]
    for cell, label in zip(cells, labels, strict=True):
        kinds = differing.setdefault(cell.asked.name, {name: set() for name in label})
        for name, text in label.items():
            kinds[name].add(text)
    return [
        structs.replace(cell, asked=structs.replace(cell.asked, name=_joined(cell.asked.name, label, differing)))
        for cell, label in zip(cells, labels, strict=True)
    ]


def _labels(asked: Asked) -> dict[str, str]:
    top_p = "" if asked.top_p is None else f", top-p {asked.top_p:g}"
    return {
        "context": f"context {asked.context}",
        "max_tokens": f"{asked.max_tokens} tokens",
        "concurrency": f"{asked.concurrency} stream{'s' if asked.concurrency > 1 else ''}",
        "rate": "" if asked.rate_rps is None else f"{asked.rate_rps:g} a second",
        "sampling": f"temperature {asked.temperature:g}{top_p}",
    }


def _joined(name: str, labels: dict[str, str], differing: dict[str, dict[str, set[Any]]]) -> str:
    told = [text for kind, text in labels.items() if text and len(differing[name][kind]) > 1]
    return ", ".join([name, *told])


def _together(file: SuiteFile, cells: Sequence[_Cell]) -> list[Start]:
    """One start for all cells of one subject and the same settings of its start, in the order of their first.

    Raises UsageError where a cell is there twice.
    """
    groups: dict[tuple[Any, ...], dict[Asked, _Cell]] = {}
    for cell in cells:
        group = groups.setdefault((_text(cell), cell.axes["context"], cell.axes["gpu_layers"]), {})
        if cell.asked in group:
            raise file.wrong(cell.place, f"{_text(cell)} is asked twice for {cell.asked.name}: leave one out.")
        group[cell.asked] = cell
    return [
        Start(
            subject=text,
            context=context,
            gpu_layers={"auto": None, "all": -1}.get(layers, layers),
            parallel=slots_for(tuple(group)),
            asked=tuple(group),
        )
        for (text, context, layers), group in groups.items()
    ]
