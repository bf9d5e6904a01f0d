"""Model files on a web server: small documents whole, large ones by HTTP ranges, so that a header costs no download."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from bakeoff.clock import now_ns
from bakeoff.errors import FileError, UsageError
from bakeoff.units import plain_text

if TYPE_CHECKING:
    import httpx

    from bakeoff.models.gguf_parse import ByteSource

_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_NS = 120 * 1_000_000_000
_HUB = "https://huggingface.co"
_HUB_NAME = re.compile(r"hf:([\w.-]+/[\w.-]+)(?::([^:]+))?")
_HUB_PAGE = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")


class RemoteFolder:
    """A folder on a server. Its files are asked for one by one, as nothing lists them.

    Everything raises FileError where the server cannot be reached, refuses, or serves no ranges.
    """

    def __init__(self, base: str, query: str = "", token: str | None = None) -> None:
        import httpx

        self._base = base
        self._query = query
        # Compression would let a few bytes become many, and make ranges those of the compressed file.
        headers = {"Accept-Encoding": "identity"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S, follow_redirects=True, max_redirects=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def label(self, name: str) -> str:
        """Address of a file, without its query, which may hold a key."""
        return plain_text(f"{self._base}/{quote(name)}")

    def document(self, name: str, limit: int) -> bytes | None:
        """A whole small file, None if there is none; FileError if it is larger than ``limit`` bytes."""
        status, _, data = self._get(name, None, limit + 1)
        if status == 404:
            return None
        self._accept(status, name)
        if len(data) > limit:
            raise FileError(f"{self.label(name)} is larger than {limit >> 20} MiB, which is no such file.")
        return data

    def open(self, name: str) -> tuple[ByteSource, int | None]:
        """Bytes of a file by offset and size, and its length where the server tells it."""
        length = self._length(name)

        def source(offset: int, size: int) -> bytes:
            return self._range(name, offset, size)[0]

        return source, length

    def _length(self, name: str) -> int | None:
        return self._range(name, 0, 1)[1]

    def _range(self, name: str, offset: int, size: int) -> tuple[bytes, int | None]:
        """Bytes of the range, fewer where the file ends, and the file's length."""
        if not size:
            return b"", None
        status, headers, data = self._get(name, f"bytes={offset}-{offset + size - 1}", size)
        if status == 416:  # the range begins after the end
            return b"", None
        self._accept(status, name)
        if status != 206:
            raise FileError(
                f"The server of {self.label(name)} does not serve ranges, so the whole file would have to come. "
                "Download it and name the file."
            )
        found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", headers.get("content-range", ""))
        if not found or int(found[1]) != offset:
            raise FileError(f"The server of {self.label(name)} answered with another range than asked for.")
        return data, None if found[2] == "*" else int(found[2])

    def _get(self, name: str, wanted: str | None, limit: int) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers, and no more than ``limit`` bytes of what was asked for."""
        import httpx

        url = f"{self._base}/{quote(name)}{self._query}"
        try:
            with self._client.stream("GET", url, headers={"Range": wanted} if wanted else {}) as answer:
                asked_for = answer.status_code == (206 if wanted else 200)
                data = self._body(answer, name, limit) if asked_for else b""
                return answer.status_code, answer.headers, data
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            why = re.sub(r"^\[Errno -?\d+\] ", "", plain_text(str(error))) or type(error).__name__
            raise FileError(f"{self.label(name)} could not be read ({why}). Check the address.") from None

    def _body(self, answer: httpx.Response, name: str, limit: int) -> bytes:
        deadline = now_ns() + _ANSWER_TIMEOUT_NS
        data = bytearray()
        for chunk in answer.iter_raw():
            data += chunk
            if len(data) >= limit:
                break
            if now_ns() > deadline:
                raise FileError(f"{self.label(name)} came too slowly. Try again later.")
        return bytes(data[:limit])

    def _accept(self, status: int, name: str) -> None:
        if status in (200, 206):
            return
        if status in (401, 403):
            advice = "Accept the model's terms there and set HF_TOKEN, or name a file that is open to all."
        elif status == 404:
            advice = "Check the name."
        else:
            advice = "Try again later."
        raise FileError(f"{self.label(name)} was refused (HTTP {status}). {advice}")


def locate(text: str) -> tuple[RemoteFolder, str]:
    """The folder and the file (or "") that ``https://…`` or ``hf:OWNER/NAME[:FILE]`` names; UsageError if none.

    Hugging Face is asked at HF_ENDPOINT where that is set, with the token in HF_TOKEN, as its own tools do.
    """
    page = _HUB_PAGE.fullmatch(text)
    hub = _HUB_NAME.fullmatch(f"hf:{page[1]}" if page else text)
    if hub:
        endpoint = os.environ.get("HF_ENDPOINT", _HUB).rstrip("/")
        folder, _, file = (hub[2] or "").rpartition("/")
        base = "/".join(filter(None, (endpoint, hub[1], "resolve/main", quote(folder))))
        return RemoteFolder(base, token=os.environ.get("HF_TOKEN")), file
    try:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"{text!r} is not an address of a model. Write https://…/model.gguf or hf:OWNER/NAME:FILE."
        ) from None
    folder, _, file = parts.path.replace("/blob/", "/resolve/", 1).rpartition("/")
    base = urlunsplit((parts.scheme, parts.netloc, folder, "", ""))
    return RemoteFolder(base, f"?{parts.query}" if parts.query else ""), unquote(file)
