"""The tutorial's engine is what it says: a file that runs, passes the contract and measures."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from bakeoff.cli.main import main
from bakeoff.engines.contract import EngineContract, Stage
from tests.fakes import hosted
from tests.servers import Received, serving

PAGE = (Path(__file__).parent.parent / "docs" / "new-engine.md").read_text(encoding="utf-8")
ENGINE, CONTRACT = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


async def say(request: Received, writer: asyncio.StreamWriter) -> None:
    """The server that the tutorial speaks of."""
    asked = msgspec.json.decode(request.body)
    writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
    for number in range(asked["words"]):
        writer.write(b'{"word": "word%d "}\n' % number)
        await writer.drain()
        await asyncio.sleep(0)
    count = len(asked["prompt"].split())
    writer.write(b'{"done": true, "prompt_tokens": %d, "words": %d}\n' % (count, asked["words"]))
    await writer.drain()
    writer.close()


@asynccontextmanager
async def my_server() -> AsyncIterator[str]:
    async with serving(say) as (url, _):
        yield url


def module(name: str, code: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    exec(compile(code, name, "exec"), vars(made))
    return made


sys.modules["sayer"] = sayer = module("sayer", ENGINE)
TestSayer: type[EngineContract] = module("test_sayer", CONTRACT, my_server=my_server).TestSayer


def test_the_page_holds_one_engine_and_its_contract() -> None:
    assert issubclass(TestSayer, EngineContract)
    assert isinstance(TestSayer().staged(None), object)
    assert Stage(sayer.Sayer("tiny")).engine.describe().engine == "sayer"


def test_the_engine_is_measured_like_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = EntryPoint("sayer", "sayer:Sayer", "bakeoff.engines")
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group, name=None: [entry])
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    with hosted(say) as url:
        monkeypatch.setattr(sayer.Sayer.__init__, "__defaults__", (url,))
        assert main(["run", "sayer:tiny", "--runs", "2", "--max-tokens", "8", "--json"]) == 0
    (cell, _) = msgspec.json.decode(capsys.readouterr().out)["cells"]
    assert cell["subject"]["engine"] == "sayer"
    assert cell["trials"] == {"ok": 2, "failed": 0, "truncated": 0}
    assert cell["metrics"]["ttft_s"]["n"] == 2
