"""One statement of an answer in plain characters: without LaTeX, Markdown, HTML, and with one sign for each meaning.

Every step passes once over a statement of bounded length.
"""

from __future__ import annotations

import html
import re

LONGEST = 600
"""Characters of a statement that are read; what follows them is no answer."""

THIN = "\u202f"
"""Stands for every space that can only part groups of digits."""

_SIGNS = {
    **dict.fromkeys("\u2009\u200a\u2006\u2008\u2007", THIN),
    **dict.fromkeys("\u00a0\u2002\u2003\u2004\u2005\u3000", " "),
    **dict.fromkeys("\u2010\u2011\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2044\u2215\uff0f", "/"),
    **dict.fromkeys("\u2217\u22c5\u00b7", "×"),
    "\uff0c": ",",
    "\uff0e": ".",
    "\uff1a": ":",
    "\uff1d": "=",
    "\uff05": "%",
    "\u2019": "'",
    "\u00b5": "\u03bc",
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    **{chr(0x0660 + digit): str(digit) for digit in range(10)},
    **{chr(0x0966 + digit): str(digit) for digit in range(10)},
    "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅖": " 2/5", "⅗": " 3/5",
    "⅘": " 4/5", "⅙": " 1/6", "⅚": " 5/6", "⅛": " 1/8", "⅜": " 3/8", "⅝": " 5/8", "⅞": " 7/8",
}  # fmt: skip
_CHARACTERS = str.maketrans(_SIGNS)

_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺]{1,8}")

_COMMANDS = {
    "times": "×", "cdot": "×", "ast": "×", "div": "÷", "approx": "≈", "simeq": "≈", "sim": "≈", "circ": "°",
    "degree": "°", "ldots": "…", "dots": "…", "cdots": "…", "pi": "π", "mu": "μ", "to": "→", "rightarrow": "→",
    "Rightarrow": "→", "implies": "→", "therefore": "∴", "euro": "€", "pounds": "£", "neq": " not ", "ne": " not ",
    "text": "", "textbf": "", "textit": "", "mathrm": "", "mathbf": "", "mathit": "", "mbox": "", "boxed": "",
    "fbox": "", "operatorname": "", "emph": "", "underline": "", "left": "", "right": "", "displaystyle": "",
    "bf": "", "rm": "",
}  # fmt: skip
_COMMAND = re.compile(r"\\([A-Za-z]{1,20})\s?|\\(.)", re.DOTALL)
_SYMBOLS = {",": THIN, ":": THIN, ";": " ", " ": " ", "!": "", "%": "%", "$": "$", "{": "[", "}": "]", "#": "#"}
_SET = re.compile(r"(?<![\w^_}\\])\{([^{}\\]{1,200},[^{}\\]{0,200})\}")
_FRACTION = re.compile(r"\\[dtc]?frac(?![A-Za-z])\s?")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,80}>")
_BOLD = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|__|`")
_OVERLINE = re.compile(r"\\(?:overline|dot)\s?\{?(\d{1,10})\}?")


def plain(statement: str) -> str:
    """The statement as plain characters, white space single."""
    text = html.unescape(_TAG.sub(" ", statement[:LONGEST]))
    text = _fractions(_OVERLINE.sub(lambda found: found[1] * 12 + "…", text.replace("{,}", ",")), 5)
    text = _COMMAND.sub(_command, text).replace("$$", " ").replace("~", " ")
    text = _SET.sub(r"[\1]", text).replace("{", "").replace("}", "")
    text = _RAISED.sub(lambda raised: "^" + raised.group().translate(_POWERS), text.translate(_CHARACTERS))
    return re.sub(r"[^\S\u202f]+", " ", _BOLD.sub("", text)).strip()


def _command(match: re.Match[str]) -> str:
    word, symbol = match.groups()
    return _COMMANDS.get(word, " ") if word else _SYMBOLS.get(symbol, " ")


def _fractions(text: str, depth: int) -> str:
    r"""``\frac{a}{b}``, ``\dfrac{a}{b}`` and ``\frac12`` as `` a/b``, nested to a depth."""
    parts, position = [], 0
    for found in _FRACTION.finditer(text):
        if found.start() < position or depth == 0:
            continue
        over, middle = braced(text, found.end())
        under, end = braced(text, middle)
        space = " " if text[found.start() - 1 : found.start()].isdigit() else ""
        parts += [text[position : found.start()], space, _grouped(over, depth), "/", _grouped(under, depth)]
        position = end
    return "".join(parts) + text[position:]


def _grouped(part: str, depth: int) -> str:
    part = _fractions(part.strip(), depth - 1)
    return part if part.isalnum() else f"({part})"


def braced(text: str, start: int) -> tuple[str, int]:
    """What stands in the braces that open at ``start``, and where they end; else the one character there.

    Braces that never close, or not within ``LONGEST`` characters, hold the rest of their line.
    """
    if text[start : start + 1] != "{":
        return text[start : start + 1], min(start + 1, len(text))
    depth = 0
    for position in range(start, min(len(text), start + LONGEST)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : position], position + 1
    line = text[start + 1 : start + LONGEST].partition("\n")[0]
    return line, start + 1 + len(line)
