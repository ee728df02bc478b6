"""A relay that answers whatever a test wants it to."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


# An answer writes to the connection as it pleases.
Answer = Callable[[BaseHTTPRequestHandler], None]


class HostileRelay:
    """Answers each `METHOD /path` with the next of its answers; the last one stands for ever."""

    def __init__(self) -> None:
        """Listens on a free port of the loopback interface."""
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.on("GET", "/messages", messages([]))
        self.on("POST", "/send", as_json({"status": "sent", "message_id": "1741703432123_x_00000000"}))
        self.on("GET", "/health", as_json({"status": "ok", "protocol": "AgentTalk", "time": "2026-03-11T14:30:00"}))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Sets the answers to a call."""
        with self._lock:
            self._answers[f"{method} {path}"] = list(answers)

    def hand_out(self, *batches: list[dict[str, Any]]) -> None:
        """Hands out each batch of messages once, then none."""
        self.on("GET", "/messages", *(messages(batch) for batch in batches), messages([]))

    def payloads(self) -> list[dict[str, Any]]:
        """What was sent to this relay: the decoded payloads, in order."""
        bodies = [json.loads(request.body) for request in self.requests if request.path == "/send"]
        return [json.loads(body["payload"]) for body in bodies]

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """An answer that never comes."""
        del handler
        self.closing.wait(120)

    def close(self) -> None:
        """Stops listening, and lets go of who still waits."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _next(self, call: str) -> Answer:
        with self._lock:
            answers = self._answers.get(call, [])
            if not answers:
                return as_json({"error": "no such call"}, 404)
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                relay.requests.append(Request(self.command, path, dict(self.headers), body))
                self.close_connection = True
                try:
                    relay._next(f"{self.command} {path}")(self)
                except (BrokenPipeError, ConnectionResetError):
                    # The client went away: what these tests are about.
                    return

            do_GET = do_POST = _serve  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        return Handler


@contextmanager
def hostile_relays(count: int) -> Iterator[list[HostileRelay]]:
    """Some hostile relays, closed at the end."""
    relays = [HostileRelay() for _ in range(count)]
    try:
        yield relays
    finally:
        for relay in relays:
            relay.close()


# Answers.


def raw(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """These bytes, with their length unless `headers` tells another."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def as_json(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON document."""
    return raw(json.dumps(document).encode(), status, {"Content-Type": "application/json"} | dict(headers or {}))


def messages(batch: list[dict[str, Any]]) -> Answer:
    """An answer to `GET /messages`."""
    return as_json({"agent": "x", "count": len(batch), "messages": batch})


def parts(chunks: Iterable[bytes], length: int, pause: float = 0.0) -> Answer:
    """A body that comes in pieces, with a stated length that need not be true."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def endless(piece: bytes, total: int) -> Answer:
    """A body without a stated length, this much of it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(total // len(piece)):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def bare(*lines: bytes) -> Answer:
    """Bytes in the place of an HTTP answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        for line in lines:
            handler.wfile.write(line)

    return answer


def incoming(
    message_id: str, payload: object, *, sender: str = "mallory", to: str = "alice", when: str = "2026-03-11T14:30:00Z"
) -> dict[str, Any]:
    """A message as a relay hands it out; a payload that is not text is encoded."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return {"id": message_id, "from": sender, "to": to, "timestamp": when, "payload": text}


def mail(subject: str, body: str, *, sender: str = "mallory.agenttalk", **attachments: str) -> dict[str, Any]:
    """A payload; attachments are base64 by name."""
    attached = [{"name": name, "data": data} for name, data in attachments.items()]
    return {"subject": subject, "body": body, "from": sender, "attachments": attached}
