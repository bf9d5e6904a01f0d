"""Wall plugs that behave as their makers publish it, on a loopback port; what is wrong with one is set by a test."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

Reply = tuple[int, dict[str, str], bytes]


class Asked(Struct):
    """One request."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]


class Plug:
    """What it draws and has drawn, in watts and joules, and what is wrong with it."""

    def __init__(self, watts: float = 85.3, joules: float = 3.6e6, *, password: str = "") -> None:
        self.watts, self.joules, self.password = watts, joules, password
        self.silent = False
        self.clock_s = 1_708_958_700
        self.instead: Reply | None = None
        self.asked: list[Asked] = []

    def passes(self, seconds: float) -> None:
        """Time in which it draws what it draws."""
        self.joules += self.watts * seconds
        self.clock_s += round(seconds)

    @property
    def date(self) -> str:
        """What its own clock shows."""
        return datetime.fromtimestamp(self.clock_s, UTC).isoformat(timespec="seconds")

    def answer(self, asked: Asked) -> Reply:
        raise NotImplementedError


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    return status, {"content-type": "application/json", **headers}, json.dumps(value).encode()


NO_PAGE: Reply = (404, {"content-type": "text/plain"}, b"Not Found")


class ShellyPlugS(Plug):
    """Generation 1: ``/shelly``, ``/status``; energy in watt-minutes; basic authentication."""

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/shelly":
            about = {"type": "SHPLG-S", "mac": "E868E7000000", "auth": bool(self.password), "discoverable": False,
                     "fw": "20230913-113421/v1.14.0", "num_outputs": 1, "num_meters": 1}  # fmt: skip
            return as_json(about)
        if self.password:
            import base64

            right = "Basic " + base64.b64encode(f"admin:{self.password}".encode()).decode()
            if asked.headers.get("authorization") != right:
                return 401, {"www-authenticate": 'Basic realm="shellyplug-s"'}, b"401 Unauthorized"
        if asked.path == "/status":
            meter = {"power": self.watts, "overpower": 0.0, "is_valid": True, "timestamp": self.clock_s,
                     "counters": [2.115, 2.114, 2.142], "total": int(self.joules / 60)}  # fmt: skip
            relay = {"ison": True, "has_timer": False, "overpower": False, "source": "http"}
            return as_json({"time": "11:08", "unixtime": self.clock_s, "relays": [relay], "meters": [meter]})
        return NO_PAGE


class ShellyPlus(Plug):
    """Generations 2 to 4: ``/shelly``, ``/rpc/Switch.GetStatus``; digest authentication with SHA-256 (RFC 7616).

    ``component`` is PM1 for meters that do not switch; one with ``measures`` False is a mere switch.
    """

    def __init__(self, *args: Any, generation: int = 2, component: str = "Switch", measures: bool = True, **more: Any):
        super().__init__(*args, **more)
        self.generation, self.component, self.measures = generation, component, measures

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/shelly":
            about = {"name": None, "id": "shellyplusplugs-b0b21c000000", "mac": "B0B21C000000", "model": "SNPL-00112EU",
                     "gen": self.generation, "fw_id": "20240223-141914/1.2.2-g7c39781", "ver": "1.2.2", "app": "PlugS",
                     "auth_en": bool(self.password), "auth_domain": "shellyplusplugs-b0b21c000000"}  # fmt: skip
            return as_json(about)
        if self.password and not self._right(asked.headers.get("authorization", "")):
            challenge = 'Digest qop="auth", realm="shellyplusplugs-b0b21c000000", nonce="65dc3a0c", algorithm=SHA-256'
            return 401, {"www-authenticate": challenge}, b""
        if asked.path != f"/rpc/{self.component}.GetStatus":
            return as_json({"code": 404, "message": "No handler for that method"}, 404)
        channel = int(asked.query.get("id", ["0"])[0])
        if channel > 1:
            return as_json({"code": -105, "message": f"Argument 'id', value {channel} not found!"}, 404)
        status: dict[str, Any] = {"id": channel, "source": "HTTP_in", "output": True, "temperature": {"tC": 41.2}}
        if self.measures:
            total, minute = round(self.joules / 3600, 3), self.clock_s // 60 * 60
            energy = {"total": total, "by_minute": [1421.3, 1420.9, 1422.0], "minute_ts": minute}
            status |= {"apower": self.watts, "voltage": 231.9, "current": 0.41, "aenergy": energy}
        return as_json(status)

    def _right(self, header: str) -> bool:
        told = {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', header)}
        if told.get("username") != "admin" or told.get("algorithm") != "SHA-256":
            return False

        def hashed(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        secret = hashed(f"admin:{told['realm']}:{self.password}")
        asked = hashed(f"GET:{told['uri']}")
        middle = f"{told['nonce']}:{told['nc']}:{told['cnonce']}:{told['qop']}"
        return bool(told["response"] == hashed(f"{secret}:{middle}:{asked}"))


class TasmotaPlug(Plug):
    """``/cm?cmnd=Status 8``: whole watts, kilowatt-hours with three places."""

    def __init__(self, *args: Any, measures: bool = True, outlets: int = 1, **more: Any):
        super().__init__(*args, **more)
        self.measures, self.outlets = measures, outlets

    def answer(self, asked: Asked) -> Reply:
        if asked.path != "/cm":
            return NO_PAGE
        if self.password and asked.query.get("password") != [self.password]:
            return as_json({"WARNING": "Need user=<username>&password=<password>"}, 401)
        if asked.query.get("cmnd") != ["Status 8"]:
            return as_json({"Command": "Unknown"})
        told: dict[str, Any] = {"Time": self.date[:19]}
        if self.measures:
            power: Any = round(self.watts)
            if self.outlets > 1:
                power = [0] * (self.outlets - 1) + [power]
            told["ENERGY"] = {"TotalStartTime": "2022-09-03T13:02:25", "Total": round(self.joules / 3.6e6, 3),
                              "Yesterday": 0.779, "Today": 0.045, "Power": power, "ApparentPower": 96,
                              "ReactivePower": 44, "Factor": 0.89, "Voltage": 233, "Current": 0.410}  # fmt: skip
        return as_json({"StatusSNS": told})


class HomeAssistantServer(Plug):
    """``/api/states/ENTITY`` behind a bearer token; the state is a text."""

    def __init__(self, *args: Any, unit: str = "W", entity: str = "sensor.plug_power", **more: Any):
        super().__init__(*args, **({"password": "a-long-lived-token"} | more))
        self.unit, self.entity = unit, entity
        self.state: str | None = None

    def answer(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != f"Bearer {self.password}":
            return 401, {"content-type": "text/plain"}, b"401: Unauthorized"
        if asked.path != f"/api/states/{self.entity}":
            return as_json({"message": "Entity not found."}, 404)
        value = {"W": self.watts, "kW": self.watts / 1000, "kWh": self.joules / 3.6e6}.get(self.unit, self.watts)
        attributes = {"state_class": "measurement", "unit_of_measurement": self.unit, "device_class": "power",
                      "friendly_name": "Plug power"}  # fmt: skip
        state = f"{value:.6g}" if self.state is None else self.state
        return as_json({"entity_id": self.entity, "state": state, "attributes": attributes,
                        "last_changed": self.date, "context": {}})  # fmt: skip


@contextmanager
def plugged_in(plug: Plug) -> Iterator[str]:
    """Serve it; gives ``HOST:PORT``. A silent one answers when it is unplugged."""
    end = threading.Event()
    server = _Server(("127.0.0.1", 0), _handler(plug, end))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        end.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of the plug's."""


def _handler(plug: Plug, end: threading.Event) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(parts.path, parse_qs(parts.query, keep_blank_values=True), headers)
            plug.asked.append(asked)
            if plug.silent:
                end.wait(20)
            status, extra, body = plug.instead or plug.answer(asked)
            fields = {**extra, "content-length": str(len(body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            try:
                self.wfile.write(f"HTTP/1.1 {status} -\r\n{head}\r\n".encode() + body)
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    return Handler
