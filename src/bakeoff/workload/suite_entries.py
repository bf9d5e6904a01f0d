"""A suite's subjects and workloads, each made complete: its engines, its name, its text; and which were chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from bakeoff.errors import UsageError
from bakeoff.workload.prompts import ARTICLE, read_prompt
from bakeoff.workload.shapes import KINDS, parse_shape
from bakeoff.workload.suite import Settings, SubjectEntry, WorkloadEntry
from bakeoff.workload.suite_errors import near
from bakeoff.workload.suite_file import SuiteFile
from bakeoff.workload.toml_places import Path as Place


class Choice(Struct, frozen=True, kw_only=True):
    """What the command line says to a suite: other subjects, engines for those that name none, other settings.

    ``known`` are the engines that there are, ``with_quant`` those of them that take ``MODEL@QUANT``; ``there`` names
    what can be measured, where the suite does not say it.
    """

    known: Sequence[str]
    with_quant: Sequence[str]
    there: Callable[[], Sequence[str]]
    subjects: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    settings: Settings = Settings()


def subjects_of(file: SuiteFile, choice: Choice) -> list[tuple[SubjectEntry, Place]]:
    """The suite's subjects, or those of them, or those instead of them, that the command line names."""
    suite = file.suite
    listed = suite.subjects if suite.subjects is not None else ([] if choice.subjects else list(choice.there()))
    own: list[tuple[SubjectEntry, Place]] = [
        (each if isinstance(each, SubjectEntry) else SubjectEntry(subject=each), ("subjects", index))
        for index, each in enumerate(listed)
    ]
    _once(file, [(entry.subject, place) for entry, place in own], "subject")
    if not choice.subjects:
        return own
    found: list[tuple[SubjectEntry, Place]] = []
    for text in choice.subjects:
        engine, _, name = text.partition(":")
        matching = _named(own, text)
        if not matching and engine in choice.known:
            matching = [
                (structs.replace(entry, subject=f"{engine}:{entry.subject}"), place)
                for entry, place in _named(own, name)
            ]
        elif not matching:
            listed = [name for entry, _ in own for name in (entry.subject.partition("@")[0], entry.subject)]
            hint = near(text, list(dict.fromkeys(listed))) if own else "Name its engine too, as ENGINE:MODEL."
            raise UsageError(f"{file.name} has no subject {text!r}. {hint}")
        found += matching or [(SubjectEntry(subject=text), ())]
    return found


def _named(own: Sequence[tuple[SubjectEntry, Place]], text: str) -> list[tuple[SubjectEntry, Place]]:
    """Those of the suite's subjects that this names, with or without a quantization."""
    return [pair for pair in own if text in (pair[0].subject, pair[0].subject.partition("@")[0])]


def workloads_of(file: SuiteFile) -> list[tuple[WorkloadEntry, Place]]:
    """The suite's workloads as entries: a shape or one of the article's prompts by its name."""
    listed = file.suite.workloads
    if listed is None:
        return [(_article(prompt.name), ()) for prompt in ARTICLE]
    entries = []
    for index, each in enumerate(listed):
        place: Place = ("workloads", index)
        entry = each if isinstance(each, WorkloadEntry) else _by_name(file, each, place)
        entries.append((_complete(file, entry, place), place))
    _once(file, [(entry.name or "", place) for entry, place in entries], "workload")
    return entries


def _by_name(file: SuiteFile, text: str, place: Place) -> WorkloadEntry:
    if text in [prompt.name for prompt in ARTICLE]:
        return _article(text)
    try:
        return WorkloadEntry(shape=parse_shape(text).name)
    except UsageError as error:
        names = [prompt.name for prompt in ARTICLE]
        words = f"{text!r} is no shape and no prompt. {near(text, [*names, *KINDS, 'pp512', 'tg128', 'pp512+tg128'])}"
        raise file.wrong(place, f"{words} A text of your own: {{ prompt = … }}.") from error


def _article(name: str) -> WorkloadEntry:
    prompt = next(prompt for prompt in ARTICLE if prompt.name == name)
    return WorkloadEntry(name=name, prompt=prompt.text, prompt_tokens=prompt.tokens)


def _complete(file: SuiteFile, entry: WorkloadEntry, place: Place) -> WorkloadEntry:
    """The entry with its name and its text; UsageError where it says too much or too little."""
    given = [name for name in ("shape", "prompt", "file") if getattr(entry, name) is not None]
    if len(given) > 1 or (not given and entry.prompt_tokens is None):
        raise file.wrong(place, "a workload needs a shape, a prompt, a file or prompt_tokens, and only one of them.")
    if entry.shape is not None:
        if entry.max_tokens is not None or entry.prompt_tokens is not None:
            raise file.wrong(place, "a shape states its lengths itself: write for instance chat512+tg64.")
        try:
            shape = parse_shape(entry.shape)
        except UsageError as error:
            raise file.wrong((*place, "shape"), str(error)) from error
        return structs.replace(entry, name=entry.name or shape.name, shape=shape.name, max_tokens=shape.max_tokens)
    if entry.file is not None:
        prompt = read_prompt(f"@{(file.folder or Path()) / entry.file}")
        return structs.replace(entry, name=entry.name or prompt.name, prompt=prompt.text, file=None)
    if entry.prompt is None:
        return structs.replace(entry, name=entry.name or f"synthetic prompt, {entry.prompt_tokens} tokens")
    if not entry.prompt.strip():
        raise file.wrong((*place, "prompt"), "the prompt is empty.")
    return structs.replace(entry, name=entry.name or "own prompt")


def _once(file: SuiteFile, names: Sequence[tuple[str, Place]], what: str) -> None:
    seen: set[str] = set()
    for name, place in names:
        if name in seen:
            raise file.wrong(place, f"the {what} {name!r} is there twice: leave one out, or name it otherwise.")
        seen.add(name)


def engines_of(file: SuiteFile, entry: SubjectEntry, choice: Choice) -> list[str]:
    """The engine that the subject names, else those chosen, else the suite's."""
    named, colon, _ = entry.subject.partition(":")
    if colon and named in choice.known:
        return [named]
    engines = list(choice.engines or file.suite.engines)
    for index, engine in enumerate(engines):
        if engine not in choice.known:
            words = f"there is no engine {engine!r}. {near(engine, choice.known)}"
            raise UsageError(words[:1].upper() + words[1:]) if choice.engines else file.wrong(("engines", index), words)
    if not engines:
        raise UsageError(f"{file.name} leaves open which engine runs {entry.subject!r}: name one with --engine.")
    return engines
