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
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from ._core import __version__
from ._effects import Effect, EffectError

_CONNECT_SECONDS = 10.0
"""How long a connection may take to be made. Nothing was asked by then, so giving up early loses nothing."""

_HEADERS = {"User-Agent": f"azall/{__version__}", "Accept-Encoding": "identity"}

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


def _options(way: _Way) -> dict[str, Any]:
    is_tls, is_direct = way
    return {
        "verify": _trust(is_tls),
        "trust_env": not is_direct,
        "headers": _HEADERS,
        "follow_redirects": False,
        # A relay that sends cookies gets none back.
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=16),
    }


class _Call:
    """One request, but for the way it is sent."""

    def __init__(self, effect: Effect) -> None:
        try:
            self.url = httpx.URL(effect["url"])
        except (httpx.InvalidURL, ValueError):
            raise EffectError("other", "not a URL") from None
        self.way: _Way = (self.url.scheme == "https", _is_loopback(self.url))
        self.limit: int = effect["limit"]
        self._effect = effect
        self._deadline = time.monotonic() + effect["timeout_ms"] / 1000

    def build(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request. Without a body a POST still says that its length is 0: not every server takes it otherwise."""
        left = max(self._deadline - time.monotonic(), 0.001)
        headers = [(name.encode(), value.encode()) for name, value in self._effect["headers"]]
        timeout = httpx.Timeout(left, connect=min(left, _CONNECT_SECONDS))
        content = self._effect["body"] or None
        return client.build_request(self._effect["method"], self.url, headers=headers, content=content, timeout=timeout)

    def check(self, response: httpx.Response) -> None:
        """Refuses what announces itself as too large."""
        announced = response.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > self.limit:
            raise self._too_large()

    def take(self, body: bytearray, chunk: bytes) -> None:
        """Takes a part of the body, within the limits of size and time."""
        body += chunk
        if len(body) > self.limit:
            raise self._too_large()
        if time.monotonic() > self._deadline:
            raise httpx.ReadTimeout("the whole call")

    def _too_large(self) -> EffectError:
        return EffectError("too_large", f"{self._peer()}: the answer is larger than {self.limit} bytes")

    def answer(self, response: httpx.Response, body: bytearray) -> dict[str, object]:
        """The answer, names of headers in lower case."""
        headers = [
            [name.decode("ascii", "replace").lower(), value.decode("utf-8", "replace")]
            for name, value in response.headers.raw
        ]
        return {"status": response.status_code, "headers": headers, "body": bytes(body)}

    def failed(self, error: Exception) -> EffectError:
        """A failed call in the core's terms."""
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
        if isinstance(error, httpx.RemoteProtocolError) and "disconnected" in str(error):
            return EffectError("unreachable", f"{self._peer()}: the connection was closed before an answer came")
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
        self._clients: dict[_Way, httpx.Client] = {}
        self._lock = threading.Lock()

    def _client(self, way: _Way) -> httpx.Client:
        with self._lock:
            if way not in self._clients:
                self._clients[way] = httpx.Client(**_options(way))
            return self._clients[way]

    def send(self, effect: Effect) -> dict[str, object]:
        """Sends one request and reads its answer."""
        call = _Call(effect)
        try:
            client = self._client(call.way)
            response = client.send(call.build(client), stream=True)
            try:
                call.check(response)
                body = bytearray()
                for chunk in response.iter_raw():
                    call.take(body, chunk)
            finally:
                response.close()
        except EffectError:
            raise
        except Exception as error:  # the libraries below let through what their own systems raise
            raise call.failed(error) from None
        return call.answer(response, body)

    def close(self) -> None:
        """Closes the connections."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()


class AsyncHttp:
    """Answers `Http` on an event loop, the one that first uses it."""

    def __init__(self) -> None:
        self._clients: dict[_Way, httpx.AsyncClient] = {}

    async def send(self, effect: Effect) -> dict[str, object]:
        """Sends one request and reads its answer."""
        call = _Call(effect)
        try:
            if call.way not in self._clients:
                self._clients[call.way] = httpx.AsyncClient(**_options(call.way))
            client = self._clients[call.way]
            response = await client.send(call.build(client), stream=True)
            try:
                call.check(response)
                body = bytearray()
                async for chunk in response.aiter_raw():
                    call.take(body, chunk)
            finally:
                await response.aclose()
        except EffectError:
            raise
        except Exception as error:  # the libraries below let through what their own systems raise
            raise call.failed(error) from None
        return call.answer(response, body)

    async def aclose(self) -> None:
        """Closes the connections."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            await client.aclose()
