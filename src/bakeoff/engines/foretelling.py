"""What is asked of any server for how likely it holds its next tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from bakeoff.engines.lookup import get_json
from bakeoff.errors import BrokenReply

ANSWER_TIMEOUT_S = 600.0
_T = TypeVar("_T")


class Asked(Struct, frozen=True):
    """The server of this ``name`` at ``url``, asked of one ``model``."""

    name: str
    url: str
    model: str
    headers: Mapping[str, str] = {}

    async def ask(self, path: str, body: dict[str, Any], kind: type[_T]) -> _T:
        """Its answer. Raises as ``get_json`` does, and BrokenReply where it is not of the ``kind``."""
        url, body = f"{self.url}{path}", {"model": self.model, **body}
        answer = await get_json(url, self.headers, body=body, timeout_s=ANSWER_TIMEOUT_S, name=self.name)
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise self.tells_too_little(path, str(error)) from error

    def tells_too_little(self, path: str, what: str) -> BrokenReply:
        """The error that says so."""
        return BrokenReply(
            f"{self.name} at {self.url} does not tell at {path} what --agreement needs: {what}. Take a newer build, or "
            "leave --agreement out."
        )
