"""Who may talk to the page: the browser of the user who started it, and no other site, user or machine."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NO_KEY = "This page belongs to somebody else. Open the address that fusion_bench_webui printed: it holds the key."
# Nothing from other hosts is loaded or asked, and no other page may show this one in a frame.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    b"content-security-policy": _POLICY.encode(),
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}


@dataclass
class Guard:
    """Passes on to ``app`` what comes with the key, from this page, under this machine's own name.

    The key is part of the address that is printed, ``?key=...``, and kept in a cookie from then on. The name under
    which the server is asked for is checked because a foreign site may give its own name this machine's address.

    Args:
        app: the application behind it.
        port: where it listens.
        key: what a browser must know.
    """

    app: Application
    port: int
    key: str

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names under which it may be asked for."""
        return (f"127.0.0.1:{self.port}", f"localhost:{self.port}")

    @property
    def cookie(self) -> str:
        """The name of the cookie; browsers keep one set for all ports."""
        return f"fusion_bench_webui_{self.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or connection, as ASGI asks for."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(headers)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("key", [""])[0]
        if refusal is not None:
            await _answer(scope, receive, send, 403, refusal)
        elif scope["type"] == "http" and self._is_key(given):
            cookie = f"{self.cookie}={self.key}; HttpOnly; SameSite=Strict; Path=/"
            await _answer(scope, receive, send, 303, "", {b"location": b"/", b"set-cookie": cookie.encode()})
        elif not self._is_key(_cookie(headers.get(b"cookie", ""), self.cookie)):
            await _answer(scope, receive, send, 403, NO_KEY)
        else:
            await self.app(scope, receive, _with_headers(send))

    def _refusal(self, headers: dict[bytes, str]) -> str | None:
        """Why a request is refused whatever it asks for."""
        host = headers.get(b"host", "")
        if host not in self.hosts:
            return f"This server is asked for as {self.hosts[0]}, not as {host!r}."
        origin = headers.get(b"origin")
        if origin is not None and origin != f"http://{host}":
            return f"Requests of another site are refused: {origin!r}."
        foreign = headers.get(b"sec-fetch-site") in ("cross-site", "same-site")
        if foreign and headers.get(b"sec-fetch-mode") != "navigate":  # a link to this page may stand anywhere
            return "Requests of another site are refused."
        return None

    def _is_key(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.key.encode())


def _cookie(header: str, name: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _HEADERS]
            message["headers"] = [*kept, *_HEADERS.items()]
        await send(message)

    return sending


async def _answer(
    scope: Scope, receive: Receive, send: Send, status: int, text: str, headers: dict[bytes, bytes] | None = None
) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    told = {b"content-type": b"text/plain; charset=utf-8", b"cache-control": b"no-store", **(headers or {})}
    start = {"type": "http.response.start", "status": status, "headers": list(told.items())}
    await _with_headers(send)(start)
    await send({"type": "http.response.body", "body": text.encode()})
