"""Values that options of several commands take: tokens, trials, shares, times."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import click


class Tokens(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """A number of tokens: ``8192``, ``8,192``, ``32k``."""

    name = "N"

    def __init__(self, least: int = 1, most: int = 10_000_000) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,3}(?:[,_]\d{3})+|\d{1,9})([kK]?)", str(value).strip())
        tokens = int(re.sub("[,_]", "", match[1])) * (1024 if match[2] else 1) if match else 0
        if not self._least <= tokens <= self._most:
            self.fail(
                f"{value!r} is not a number of tokens from {self._least} to {self._most:,}: write it like 8192 or 32k.",
                param,
                ctx,
            )
        return tokens


class RunsType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """``auto`` or a number of trials."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor 'auto'.", param, ctx)
        if not 1 <= number <= 10_000:
            self.fail(f"{number} trials make no measurement: take 1 to 10000, or 'auto'.", param, ctx)
        return number


class ShareType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """A share of a figure, as ``3%`` or ``0.03``."""

    name = "SHARE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{value!r} is no share: write for instance 3%.", param, ctx)
        if not 0.0001 <= share < 1:
            self.fail(f"{value!r} is no share between 0.01% and 100%: write for instance 3%.", param, ctx)
        return share


class SecondsType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on only
    """A time, as ``90s``, ``10m``, ``1.5h``, ``1h30m``."""

    name = "TIME"
    _scales: ClassVar[dict[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0}
    _form = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        match = self._form.fullmatch(str(value).strip().lower())
        parts = match.groups() if match else ()
        seconds = sum(float(part or 0) * scale for part, scale in zip(parts, self._scales.values(), strict=False))
        if not 1 <= seconds <= 1e7:
            self.fail(f"{value!r} is no time to measure in: write for instance 90s, 10m or 1h30m.", param, ctx)
        return seconds
