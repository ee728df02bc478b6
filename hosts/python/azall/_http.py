"""HTTP requests by httpx: one client per way to reach a peer, made when it is first needed.

Redirects are not followed, certificates are checked, a proxy is taken from the environment but never for a loopback address, and
messages name the peer, never the path nor any header.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Generic, TypeVar

import httpx

from ._core import __version__
from ._effects import Effect, EffectError

_CONNECT_SECONDS = 10.0
"""How long a connection may take to be made. Nothing was asked by then, so giving up early loses nothing."""

_HEADERS = {"User-Agent": f"azall/{__version__}", "Accept-Encoding": "identity"}

_CLOSED = ("disconnected", "peer closed connection")
"""What the library says of a peer that went away, before its answer and in the middle of it."""

_Way = tuple[bool, bool]
"""Whether the peer is reached over TLS, and whether past any proxy."""


def _is_loopback(url: httpx.URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def _trust(is_tls: bool) -> ssl.SSLContext:
    """The built-in root certificates and those of `AZALL_CA_FILE`, else `SSL_CERT_FILE`. A client without TLS trusts nobody."""
    if not is_tls:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    if extra := os.environ.get("AZALL_CA_FILE") or os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(cafile=extra)
        except (OSError, ssl.SSLError) as error:
            raise EffectError("tls", f"the file of root certificates {extra}: {error.strerror or error}") from error
    return context


_Client = TypeVar("_Client", httpx.Client, httpx.AsyncClient)


class _Clients(Generic[_Client]):
    """The clients that were needed so far."""

    def __init__(self, kind: type[_Client]) -> None:
        self._kind: type[_Client] = kind
        self._made: dict[_Way, _Client] = {}
        self._lock = threading.Lock()

    def get(self, way: _Way) -> _Client:
        """The one for this way."""
        is_tls, is_direct = way
        with self._lock:
            if way not in self._made:
                self._made[way] = self._kind(
                    verify=_trust(is_tls),
                    trust_env=not is_direct,
                    headers=_HEADERS,
                    follow_redirects=False,
                    # A relay that sends cookies gets none back.
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    limits=httpx.Limits(max_connections=None, max_keepalive_connections=16),
                )
            return self._made[way]

    def take_all(self) -> list[_Client]:
        """All of them, to be closed."""
        with self._lock:
            made, self._made = self._made, {}
        return list(made.values())


class _Call:
    """One request, but for the way it is sent."""

    def __init__(self, effect: Effect) -> None:
        try:
            self.url = httpx.URL(effect["url"])
        except (httpx.InvalidURL, ValueError):
            raise EffectError("other", "not a URL") from None
        self.way: _Way = (self.url.scheme == "https", _is_loopback(self.url))
        self._limit: int = effect["limit"]
        self._effect = effect
        self._deadline = time.monotonic() + effect["timeout_ms"] / 1000
        self._body = bytearray()
        self._broken: EffectError | None = None

    def request(self) -> dict[str, Any]:
        """What to send. Without a body a POST still says that its length is 0: not every server takes it otherwise."""
        left = max(self._deadline - time.monotonic(), 0.001)
        return {
            "method": self._effect["method"],
            "url": self.url,
            "headers": [(name.encode(), value.encode()) for name, value in self._effect["headers"]],
            "content": self._effect["body"] or None,
            "timeout": httpx.Timeout(left, connect=min(left, _CONNECT_SECONDS)),
        }

    def check(self, response: httpx.Response) -> None:
        """Refuses what announces itself as too large."""
        announced = response.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > self._limit:
            raise self._too_large()

    def take(self, chunk: bytes) -> None:
        """Takes a part of the body, within the limits of size and time."""
        self._body += chunk
        if len(self._body) > self._limit:
            raise self._too_large()
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the whole call")

    def _too_large(self) -> EffectError:
        return EffectError("too_large", f"{self._peer()}: the answer is larger than {self._limit} bytes")

    @contextmanager
    def reading(self) -> Generator[None, None, None]:
        """Around the reading of the body: what came before it broke is kept."""
        try:
            yield
        except EffectError:
            raise
        except Exception as error:
            if not self._body:
                raise
            self._broken = self._failed(error)

    def answer(self, response: httpx.Response) -> dict[str, object]:
        """The answer, names of headers in lower case."""
        headers = [
            [name.decode("ascii", "replace").lower(), value.decode("utf-8", "replace")]
            for name, value in response.headers.raw
        ]
        answer: dict[str, object] = {"status": response.status_code, "headers": headers, "body": bytes(self._body)}
        if self._broken is not None:
            answer["broken"] = self._broken.data
        return answer

    @contextmanager
    def failures(self) -> Generator[None, None, None]:
        """Tells failures in the core's terms. The libraries below let through what their own systems raise."""
        try:
            yield
        except EffectError:
            raise
        except Exception as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> EffectError:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ssl.SSLError):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "TLS failed"
            return EffectError("tls", f"{self._peer()}: {reason}")
        if isinstance(error, httpx.TimeoutException):
            return EffectError("timed_out", f"{self._peer()}: no answer within the time limit")
        if isinstance(error, httpx.NetworkError):
            return EffectError("unreachable", f"{self._peer()}: {_reason(error)}")
        if isinstance(error, httpx.ProxyError):
            return EffectError("unreachable", f"{self._peer()}: the proxy refused to connect")
        if isinstance(error, httpx.RemoteProtocolError) and any(words in str(error) for words in _CLOSED):
            return EffectError("unreachable", f"{self._peer()}: the connection was closed before the whole answer came")
        if isinstance(error, httpx.RemoteProtocolError):
            return EffectError("other", f"{self._peer()}: not a good HTTP exchange")
        if isinstance(error, (httpx.UnsupportedProtocol, httpx.LocalProtocolError, UnicodeError)):
            return EffectError("other", f"{self._peer()}: the request cannot be sent")
        return EffectError("other", f"{self._peer()}: the HTTP call failed")

    def _peer(self) -> str:
        """The peer's name and port, without the user name that a URL may carry."""
        host = self.url.host or "no host"
        return f"{host}:{self.url.port}" if self.url.port is not None else host


def _reason(error: Exception) -> str:
    """The system's words, if it said any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno > 0:
            return os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return "no connection"


class Http:
    """Answers `Http` on threads."""

    def __init__(self) -> None:
        self._clients = _Clients(httpx.Client)

    def send(self, effect: Effect) -> dict[str, object]:
        """Sends one request and reads its answer."""
        call = _Call(effect)
        with call.failures(), self._clients.get(call.way).stream(**call.request()) as response:
            call.check(response)
            with call.reading():
                for chunk in response.iter_raw():
                    call.take(chunk)
        return call.answer(response)

    def close(self) -> None:
        """Closes the connections."""
        for client in self._clients.take_all():
            client.close()


class AsyncHttp:
    """Answers `Http` on an event loop, the one that first uses it."""

    def __init__(self) -> None:
        self._clients = _Clients(httpx.AsyncClient)

    async def send(self, effect: Effect) -> dict[str, object]:
        """Sends one request and reads its answer."""
        call = _Call(effect)
        with call.failures():
            async with self._clients.get(call.way).stream(**call.request()) as response:
                call.check(response)
                with call.reading():
                    async for chunk in response.aiter_raw():
                        call.take(chunk)
        return call.answer(response)

    async def aclose(self) -> None:
        """Closes the connections."""
        for client in self._clients.take_all():
            await client.aclose()
