"""What a start of an engine and its workloads will take on this machine, before anything is done: fit, time, bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct, structs

from bakeoff.engines.options import EngineOptions
from bakeoff.engines.subjects import SubjectText
from bakeoff.errors import BakeoffError
from bakeoff.models.names import ENGINE_KINDS
from bakeoff.planning.fit import Fit, fit
from bakeoff.planning.learned import Correction, DeviceKind, corrected
from bakeoff.planning.placement import offloaded
from bakeoff.planning.speed import Placement, Span, predict, work
from bakeoff.planning.to_load import to_load
from bakeoff.units import bytes_text
from bakeoff.workload.arrivals import as_load
from bakeoff.workload.shapes import parse_shape

if TYPE_CHECKING:
    from bakeoff.hardware.disk import DiskKind
    from bakeoff.hardware.machine import Machine
    from bakeoff.results.records import Figure
    from bakeoff.workload.asked import Asked

LETTERS_A_TOKEN = (3.0, 4.0, 5.0)
"""Of a prompt in words whose length nobody has counted: least, usual, most. Assumed."""
_READ_BYTES_S: dict[str, tuple[float, float]] = {
    "nvme": (1e9, 7e9), "ssd": (2e8, 5.5e8), "hard_disk": (8e7, 2.5e8), "card": (2e7, 1e8), "memory": (2e9, 2e10),
}  # fmt: skip
_READ_BYTES_S_UNKNOWN = (1e8, 3e9)
"""Slowest and fastest that weights are read from a disk of that kind, or written to it. Assumed."""
_START_S: dict[str, tuple[float, float]] = {"vllm": (10.0, 180.0), "mlx": (1.0, 20.0)}
_START_S_USUAL = (0.3, 10.0)
"""Shortest and longest that an engine takes to come up, without reading weights. Assumed."""
FEWEST_WARM_UPS = 2


class Counts(Struct, frozen=True, kw_only=True):
    """How many requests a cell will have: timed ones, at least and at most, and warm-ups at most."""

    fewest: int
    most: int
    warm_ups: int


class ForeseenCell(Struct, frozen=True, kw_only=True):
    """One cell: its workload in numbers, and what it will take; None where that is not known.

    ``prompt_tokens`` is None for a text whose length nobody has counted. ``seconds`` are those of all its requests.
    """

    workload: str
    prompt_tokens: int | None
    max_tokens: int
    context: int
    streams: int
    decode_tps: Figure | None = None
    seconds: Span | None = None


class Foreseen(Struct, frozen=True, kw_only=True):
    """One start: how its model fits, or why that is not known; why it should be left out, if it should.

    ``weights_bytes`` are to be loaded, ``to_write_bytes`` of them to be made first, ``to_get_bytes`` to be downloaded
    where they are not there yet. ``start_s`` is the start and the load.
    """

    subject: str
    fits: str | None
    reason: str
    skip: bool
    cells: tuple[ForeseenCell, ...]
    weights_bytes: int | None = None
    to_write_bytes: int = 0
    to_get_bytes: int = 0
    start_s: Span | None = None

    @property
    def model(self) -> str:
        """The subject without how its layers lie: the same weights serve all of these."""
        return self.subject.partition(" --")[0]

    @property
    def seconds(self) -> Span | None:
        """Of the whole start; None where any of it is not known."""
        total = self.start_s
        for cell in self.cells:
            total = None if total is None or cell.seconds is None else total + cell.seconds
        return total


class Foreseer:
    """Foresees starts on one machine.

    ``learned`` is what its runs taught, ``disk`` the kind of disk that weights lie on, ``held`` the names of models
    and of files of random weights that are there already.
    """

    def __init__(
        self,
        machine: Machine,
        learned: Mapping[DeviceKind, Correction],
        disk: DiskKind,
        held: frozenset[str] = frozenset(),
    ) -> None:
        self._machine = machine
        self._learned = learned
        self._read = _READ_BYTES_S.get(disk, _READ_BYTES_S_UNKNOWN)
        self._fit = cache(self._fit_now)
        self._known = cache(partial(to_load, held=held))
        self._speed = cache(self._speed_now)

    def __call__(
        self, subject: SubjectText, options: EngineOptions, asked: Sequence[Asked], counts: Counts
    ) -> Foreseen:
        """What one start will take. A model that nobody can look up gives a Foreseen of unknowns, never an error."""
        cells = tuple(_cell(each, options.synthetic) for each in asked)
        if options.url is not None or subject.engine not in ENGINE_KINDS:
            why = "it runs as it was started" if options.url else "of this engine nothing can be foreseen"
            return Foreseen(subject=subject.text, fits=None, reason=why, skip=False, cells=cells)
        try:
            known = self._known(subject.engine, subject.model, subject.quant, options.synthetic)
        except BakeoffError as error:
            return Foreseen(subject=subject.text, fits=None, reason=str(error).rstrip("."), skip=True, cells=cells)
        if known is None:
            why = "its size is known to the engine alone"
            return Foreseen(subject=subject.text, fits=None, reason=why, skip=False, cells=cells)
        key = (subject.engine, subject.model, subject.quant, options.synthetic)
        fitted = self._fit(key, options.context, options.parallel)
        why, skip = _too_much(fitted, options.gpu_layers)
        if known.missing and not skip:
            why, skip = known.missing, True
        return Foreseen(
            subject=subject.text,
            fits=fitted.fits,
            reason=why,
            skip=skip,
            cells=tuple(self._timed(cell, each, key, options, counts) for cell, each in zip(cells, asked, strict=True)),
            weights_bytes=known.file_bytes,
            to_write_bytes=known.file_bytes if known.made and not known.here else 0,
            to_get_bytes=0 if known.made or known.here else known.file_bytes,
            start_s=self._start(subject.engine, known.file_bytes, 1 + (known.made and not known.here)),
        )

    def _fit_now(self, key: tuple[Any, ...], context: int, streams: int) -> Fit:
        known = self._known(*key)
        assert known is not None
        return fit(self._machine, known.arch, known.specs, context=context, engine=key[0], streams=streams)

    def _speed_now(self, key: tuple[Any, ...], layers: int | None, depth: int, prompt: int) -> Any:
        """The prediction, with what this machine's own runs taught."""
        known = self._known(*key)
        assert known is not None
        placed = Placement(devices=self._machine.devices, host=self._machine.host, gpu_layers=layers)
        speed = predict(work(known.arch, known.specs), placed, engine=key[0], context=depth, prompt_tokens=prompt)
        kind: DeviceKind | None = "cpu" if not self._machine.devices else "gpu" if layers is None else None
        return corrected(speed, self._learned[kind]) if kind and kind in self._learned else speed

    def _start(self, engine: str, weights: int, times: int) -> Span:
        """The engine's own coming up, and its weights read, or written and read."""
        slow, fast = self._read
        least, most = _START_S.get(engine, _START_S_USUAL)
        size = weights * times
        return Span((least * most) ** 0.5 + size / (slow * fast) ** 0.5, least + size / fast, most + size / slow)

    def _timed(
        self, cell: ForeseenCell, asked: Asked, key: tuple[Any, ...], options: EngineOptions, counts: Counts
    ) -> ForeseenCell:
        """The same with its time: of a request, of all of them, and between sharing the machine well and not at all."""
        fitted = self._fit(key, options.context, options.parallel)
        layers = None if options.gpu_layers is None or options.gpu_layers < 0 else options.gpu_layers
        if layers is None and fitted.fits in ("split", "no"):
            layers = offloaded(fitted.gpu_layers)
        fewest, usual, most = _prompt_tokens(cell, asked)
        speed = self._speed(key, layers, usual + asked.max_tokens // 2, max(1, usual))
        decode, prefill = speed.decode_at_context, speed.prefill
        later = asked.max_tokens - 1
        request = Span(
            usual / prefill.point + later / decode.point,
            fewest / _high(prefill) + later / _high(decode),
            most / _low(prefill) + later / _low(decode),
        )
        return structs.replace(cell, decode_tps=decode, seconds=_of_all(request, asked, counts))


def with_room(starts: Sequence[Foreseen], free_bytes: int) -> list[Foreseen]:
    """The same; those whose random weights do not fit on the disk, behind those written before, are to be skipped.

    What has to be written twice is written once.
    """
    kept: list[Foreseen] = []
    left, written = free_bytes, set[str]()
    for start in starts:
        size = 0 if start.skip or start.model in written else start.to_write_bytes
        if size > left:
            why = f"needs {bytes_text(size)} on the disk, of which {bytes_text(max(0, left))} are left"
            kept.append(structs.replace(start, reason=why, skip=True))
            continue
        left -= size
        written.add(start.model)
        kept.append(start)
    return kept


def _of_all(request: Span, asked: Asked, counts: Counts) -> Span:
    """All requests of a cell: from every stream served as fast as one alone, to one after the other.

    A window of load holds a request a stream beside those that count; warm-ups come one by one.
    """
    asked = as_load(asked)
    least, most = request.low, request.high
    if asked.rate_rps is not None:
        due = (asked.requests or 1) / asked.rate_rps
        least, most = max(due, request.low), due + (asked.requests or 1) * request.high
    elif asked.requests is not None:
        together = asked.requests + asked.concurrency
        least, most = together / asked.concurrency * request.low, together * request.high
    low = least * counts.fewest + request.low * FEWEST_WARM_UPS
    high = most * counts.most + request.high * max(FEWEST_WARM_UPS, counts.warm_ups)
    return Span((low * high) ** 0.5, low, high)


def _cell(asked: Asked, synthetic: bool) -> ForeseenCell:
    shape = parse_shape(asked.shape) if asked.shape else None
    counted = shape.prompt_tokens if shape else asked.prompt_tokens
    return ForeseenCell(
        workload=asked.name,
        prompt_tokens=counted if shape or synthetic or asked.prompt is None else None,
        max_tokens=asked.max_tokens,
        context=asked.context,
        streams=asked.concurrency,
    )


def _prompt_tokens(cell: ForeseenCell, asked: Asked) -> tuple[int, int, int]:
    """At least, usually, at most."""
    if cell.prompt_tokens is not None:
        return cell.prompt_tokens, cell.prompt_tokens, cell.prompt_tokens
    letters = len(asked.prompt or "")
    most, usual, fewest = (max(1, round(letters / each)) for each in LETTERS_A_TOKEN)
    return fewest, usual, most


def _too_much(fitted: Fit, gpu_layers: int | None) -> tuple[str, bool]:
    """What is to be said of a fit, and whether it is no use to try."""
    if fitted.fits == "no":
        return fitted.condition, True
    if gpu_layers == -1 and fitted.fits == "split":
        return f"all layers on the GPU were asked for: {fitted.condition}", True
    return fitted.condition, False


def _low(figure: Figure) -> float:
    return figure.point if figure.low is None else figure.low


def _high(figure: Figure) -> float:
    return figure.point if figure.high is None else figure.high
