"""The configuration's text with one key changed: its line alone, all else stays as it was written."""

from __future__ import annotations

from collections.abc import Mapping

from bakeoff.config.keys import Place, Value, dotted, quoted, written
from bakeoff.config.settings import KEY_LINE, checked, config_path, lines_of
from bakeoff.errors import UsageError


def with_value(text: str, place: Place, value: Value) -> str:
    """The text with a value set: its line replaced, else a line added to its table. The rest stays as it is."""
    lines, numbers = text.splitlines(), lines_of(text)
    at = numbers.get(place)
    match = KEY_LINE.match(lines[at - 1]) if at else None
    if at and match:
        lines[at - 1] = f"{match[1]}{written(value)}{match[4]}"
    elif len(place) == 1:
        lines.insert(0, f"{quoted(place[0])} = {written(value)}")
    elif place[:-1] in numbers:
        lines.insert(numbers[place[:-1]], f"{quoted(place[-1])} = {written(value)}")
    else:
        table = ".".join(map(quoted, place[:-1]))
        lines += [*([""] if lines else []), f"[{table}]", f"{quoted(place[-1])} = {written(value)}"]
    return _verified(lines, {**checked(text).values, place: value})


def without_value(text: str, place: Place) -> str:
    """The text without the line of that key. Raises UsageError where it is not set."""
    values = dict(checked(text).values)
    if values.pop(place, None) is None:
        raise UsageError(f"{dotted(place)} is not set. See what is: bakeoff config list")
    lines = text.splitlines()
    at = lines_of(text).get(place)
    if at:
        del lines[at - 1]
    return _verified(lines, values)


def _verified(lines: list[str], wanted: Mapping[Place, Value]) -> str:
    """The lines as a text that says just that; UsageError where they do not."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        if checked(text).values == wanted:
            return text
    except UsageError:
        pass
    raise UsageError(f"{config_path()} is written in a way that cannot be changed from here: edit it by hand.")
