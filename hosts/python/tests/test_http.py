"""Requests: what is refused, and how failures are told."""

from __future__ import annotations

import asyncio
import http.server
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from azall._effects import EffectError
from azall._http import AsyncHttp, Http

Send = Callable[[dict[str, Any]], dict[str, Any]]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.answer(302, b"", Location="/elsewhere")
        elif self.path == "/big":
            self.answer(200, b"x" * 10_000)
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for _ in range(1000):
                self.wfile.write(b"a\r\n0123456789\r\n")
        elif self.path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(50):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.1)
        elif self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            self.close_connection = True
        elif self.path == "/close":
            self.close_connection = True
        else:
            shown = ";".join(
                f"{name}={self.headers[name]}" for name in ("X-A", "Cookie", "Accept-Encoding", "User-Agent")
            )
            self.answer(404, shown.encode(), X_Twice="1", Set_Cookie="who=you; Path=/")

    def do_POST(self) -> None:
        length = self.headers["Content-Length"]
        self.answer(200, b"%s:%s" % (length.encode(), self.rfile.read(int(length))))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()


@pytest.fixture(params=["plain", "asynchronous"])
def send(request: pytest.FixtureRequest) -> Send:
    if request.param == "plain":
        return Http().send

    def run(effect: dict[str, Any]) -> dict[str, Any]:
        async def main() -> dict[str, Any]:
            client = AsyncHttp()
            try:
                return await client.send(effect)
            finally:
                await client.aclose()

        return asyncio.run(main())

    return run


def get(url: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401  (fields of an effect)
    whole = {"method": "GET", "url": url, "headers": [], "body": b"", "limit": 5000, "timeout_ms": 5000}
    return whole | fields


def failure(send: Send, effect: dict[str, Any]) -> EffectError:
    with pytest.raises(EffectError) as failed:
        send(effect)
    return failed.value


def test_any_status_is_an_answer(server: str, send: Send) -> None:
    answer = send(get(server + "/x", headers=[["X-A", "b"]]))
    assert answer["status"] == 404
    assert answer["body"].startswith(b"X-A=b;Cookie=None;Accept-Encoding=identity;User-Agent=azall/")
    assert ["x-twice", "1"] in answer["headers"]


def test_cookies_are_not_given_back(server: str) -> None:
    client = Http()
    for _ in range(2):
        body = client.send(get(server + "/x"))["body"]
        assert isinstance(body, bytes)
        assert b"Cookie=None" in body


def test_redirects_are_not_followed(server: str, send: Send) -> None:
    answer = send(get(server + "/redirect"))
    assert (answer["status"], ["location", "/elsewhere"] in answer["headers"]) == (302, True)


def test_a_post_says_its_length(server: str, send: Send) -> None:
    assert send(get(server, method="POST"))["body"] == b"0:"
    assert send(get(server, method="POST", body=b"abc"))["body"] == b"3:abc"


def test_limits(server: str, send: Send) -> None:
    assert failure(send, get(server + "/big")).kind == "too_large"
    assert failure(send, get(server + "/endless")).kind == "too_large"
    assert len(send(get(server + "/big", limit=10_000))["body"]) == 10_000


def test_of_half_a_body_there_is_what_came(server: str, send: Send) -> None:
    slow = send(get(server + "/slow", timeout_ms=700))
    assert slow["broken"]["kind"] == "timed_out"
    assert slow["body"] == b"x" * len(slow["body"]) != b""
    cut = send(get(server + "/cut"))
    assert (cut["status"], cut["body"], cut["broken"]["kind"]) == (200, b"half", "unreachable")
    assert "broken" not in send(get(server + "/big", limit=10_000))


def test_failures(server: str, send: Send) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        refused = failure(send, get(f"http://user:secret@127.0.0.1:{port}/path?token=secret"))
    assert (refused.kind, refused.message) == ("unreachable", f"127.0.0.1:{port}: Connection refused")
    closed = failure(send, get(server + "/close"))
    assert (closed.kind, "closed" in closed.message) == ("unreachable", True)
    for url in ("http://", "ftp://x/", "x", "http://[::1", "http://127.0.0.1:99999/"):
        assert failure(send, get(url)).kind in ("other", "unreachable"), url
    assert failure(send, get(server, headers=[["bad name", "x"]])).kind == "other"
    assert failure(send, get(server, headers=[["x", "a\r\nb: c"]])).kind == "other"


def test_a_proxy_is_never_asked_for_a_loopback_address(
    server: str, send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(get(server + "/x"))["status"] == 404
    assert failure(send, get("http://relay.invalid/")).kind == "unreachable"


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ],
        cwd=folder,
        capture_output=True,
    )
    if made.returncode != 0:
        pytest.skip("there is no openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    running.socket = context.wrap_socket(running.socket, server_side=True)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{running.server_address[1]}", folder / "cert.pem"
    running.shutdown()


def test_certificates_are_checked(
    tls_server: tuple[str, Path], send: Send, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url, certificate = tls_server
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert failure(send, get(url)).kind == "tls"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert Http().send(get(url))["status"] == 404
    monkeypatch.setenv("AZALL_CA_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(EffectError) as missing:
        Http().send(get(url))
    assert missing.value.kind == "tls"
