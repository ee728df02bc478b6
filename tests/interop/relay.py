"""Relays, started for the tests: the reference's own, and azall's."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import isolated_environment


@dataclass(frozen=True)
class Relay:
    """A relay that answers on this port of the loopback interface."""

    port: int
    # The file of the certificate that it must be trusted by, if it speaks TLS.
    certificate: Path | None = None

    @property
    def url(self) -> str:
        scheme = "http" if self.certificate is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def trust(self) -> dict[str, str]:
        """What a client needs in its environment to trust this relay."""
        return {} if self.certificate is None else {"SSL_CERT_FILE": str(self.certificate)}

    def _connect(self) -> http.client.HTTPConnection:
        if self.certificate is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        context = ssl.create_default_context(cafile=str(self.certificate))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)

    def call(self, method: str, path: str, token: str = "", body: object = None) -> tuple[int, dict[str, Any]]:
        """One request: the status and the answer."""
        connection = self._connect()
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, headers | {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
            return response.status, answer
        finally:
            connection.close()

    def register(self, name: str) -> str:
        """Makes an account; the token."""
        status, answer = self.call("POST", "/register", body={"agent_name": name})
        assert status == 201, answer
        return str(answer["api_token"])

    def send(self, token: str, to: str, payload: object) -> None:
        """Leaves a message for an account."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        status, answer = self.call("POST", "/send", token, {"to": to, "payload": text})
        assert status in (200, 201), answer


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_relay(folder: Path) -> Iterator[Relay]:
    """A relay that keeps its data in a folder, and is stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    relay = Relay(free_port())
    argv = [sys.executable, "-m", "agentazall.agenttalk_server", "--host", "127.0.0.1"]
    argv += ["--port", str(relay.port), "--data-dir", str(folder / "data")]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(argv, cwd=folder, env=isolated_environment(folder), stdout=log, stderr=log)
        try:
            _wait_until_it_answers(relay, server, folder / "log.txt")
            yield relay
        finally:
            server.kill()
            server.wait()


@contextmanager
def running_azall_relay(folder: Path, *flags: str) -> Iterator[Relay]:
    """The relay of azall, which keeps its data in a folder and ends well when it is told to stop."""
    folder.mkdir(parents=True, exist_ok=True)
    argv = [
        os.environ["AZALL_BIN"],
        "server",
        "--agenttalk",
        "--json",
        "--port",
        "0",
        "--data-dir",
        str(folder / "data"),
        *flags,
    ]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            argv, cwd=folder, env=isolated_environment(folder), stdout=subprocess.PIPE, stderr=log
        )
        assert server.stdout is not None
        try:
            told = server.stdout.readline()
            assert told, (folder / "log.txt").read_text()
            listening = json.loads(told)
            certificate = listening["certificate"]
            yield Relay(listening["port"], None if certificate is None else Path(certificate))
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0, (folder / "log.txt").read_text()
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def _wait_until_it_answers(relay: Relay, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            relay.call("GET", "/health")
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the relay does not answer:\n{log.read_text()}")
