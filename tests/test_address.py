"""An address is read in every form in which people, and Ollama, write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bakeoff.engines.address import Address
from bakeoff.errors import UsageError

OLLAMA_PORT = 11434


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        ("gpu-box.lan", "http://gpu-box.lan:11434"),
        ("gpu-box.lan:8080", "http://gpu-box.lan:8080"),
        ("gpu-box.lan:", "http://gpu-box.lan:11434"),
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://:8080", "http://127.0.0.1:8080"),
        ("http://gpu-box.lan:8080", "http://gpu-box.lan:8080"),
        ("http://gpu-box.lan", "http://gpu-box.lan"),
        ("https://gpu-box.lan", "https://gpu-box.lan"),
        ("https://gpu-box.lan:8443", "https://gpu-box.lan:8443"),
        ("HTTPS://GPU-Box.lan", "https://gpu-box.lan"),
        ("http://gpu-box.lan:8080/", "http://gpu-box.lan:8080"),
        ("https://gpu-box.lan/ollama/", "https://gpu-box.lan/ollama"),
        ("gpu-box.lan:8080/ollama", "http://gpu-box.lan:8080/ollama"),
        ("gpu-box.lan/ollama", "http://gpu-box.lan:11434/ollama"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("fe80::1", "http://[fe80::1]:11434"),
        ("::", "http://[::1]:11434"),
        ("[::]:8080", "http://[::1]:8080"),
        ("  127.0.0.1:8080\n", "http://127.0.0.1:8080"),
        ('"0.0.0.0"', "http://127.0.0.1:11434"),
        ("'http://gpu-box.lan:8080'", "http://gpu-box.lan:8080"),
        ("bücher.example", "http://xn--bcher-kva.example:11434"),
        ('" 127.0.0.1 "', "http://127.0.0.1:11434"),
    ],
)
def test_every_form_of_ollama_host_leads_to_the_server(text: str, url: str) -> None:
    assert Address.parse(text, OLLAMA_PORT).url == url


@pytest.mark.parametrize(
    ("text", "port"), [("host", 80), ("http://host", 80), ("https://host", 443), ("host:8000", 8000)]
)
def test_without_a_default_the_port_is_the_schemes_own(text: str, port: int) -> None:
    assert Address.parse(text).port == port


@pytest.mark.parametrize(("text", "here"), [
    ("localhost:8000", True), ("http://127.0.1.1:8000/v1", True), ("[::1]:8000", True), ("0.0.0.0:8000", True),
    ("http://10.0.0.7:8000", False), ("http://localhost.example.org", False),
])  # fmt: skip
def test_it_knows_this_machine_by_its_names(text: str, here: bool) -> None:
    assert Address.parse(text).is_here is here


def test_the_host_header_leaves_out_the_schemes_own_port_only() -> None:
    assert Address.parse("http://host:80").authority == "host"
    assert Address.parse("https://host:443").authority == "host"
    assert Address.parse("https://host:80").authority == "host:80"
    assert Address.parse("http://[::1]:8000").authority == "[::1]:8000"


@pytest.mark.parametrize(
    "text",
    ["http://user:secret@host", "user:secret@host:8080", "http://user@host", "http://:secret@host",
     "user:secret@host:99999", "ftp://user:secret@host", "http://user:secret@", "http://user:secret@[host",
     "http://user:secret@host?x", "host/path@secret", "//user:secret@host"],
)  # fmt: skip
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="password") as caught:
        Address.parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "  ", '""', "http://", "https:///path", "ftp://host", "file:///etc/passwd", "unix:///run/x.sock", "host:port",
     "host:99999", "host:-1", "host:0", "1:2:3", "[::1", "[zz]:80", "::1]:80", "http://[::1]x", "ho st", "host\r\nx: y",
     "host\x00", "host\x7f", "host/a b", "host/ü", "http://host/?q=1", "http://host/#part", "http://ho\u202est", "://host"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:11434") as caught:
        Address.parse(text, OLLAMA_PORT)
    assert str(caught.value).isprintable()


@given(st.text() | st.from_regex(r"(https?://)?[\[\]:./@\w-]*", fullmatch=True))
def test_any_text_is_an_address_or_a_sentence(text: str) -> None:
    try:
        address = Address.parse(text, OLLAMA_PORT)
    except UsageError:
        return
    assert address.host
    assert 0 < address.port < 65536
    assert Address.parse(address.url) == address
