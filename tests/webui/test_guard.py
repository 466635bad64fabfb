"""Only the browser that has the key gets an answer, and only for this page, under this machine's own name."""

import asyncio

import pytest

from fusion_bench.webui.guard import NO_KEY, Guard

HOST = ("host", "127.0.0.1:8000")
COOKIE = ("cookie", "other=1; fusion_bench_webui_8000=secret")


async def behind(scope, receive, send):
    """An application that accepts everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    headers = [(b"content-type", b"text/html"), (b"X-Frame-Options", b"ALLOWALL")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"page"})


def ask(*headers, query="", kind="http"):
    """The messages that come back."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": f"{kind}.connect"}

    scope = {"type": kind, "query_string": query.encode(), "path": "/"}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers]
    asyncio.run(Guard(behind, 8000, "secret")(scope, receive, send))
    return sent


def told(answer):
    return answer[0]["status"], answer[1]["body"].decode()


def test_the_key_of_the_printed_address_is_kept_in_a_cookie():
    start = ask(HOST, query="key=secret")[0]
    headers = dict(start["headers"])
    assert (start["status"], headers[b"location"]) == (303, b"/")
    assert headers[b"set-cookie"] == b"fusion_bench_webui_8000=secret; HttpOnly; SameSite=Strict; Path=/"
    assert told(ask(HOST, COOKIE)) == (200, "page")


@pytest.mark.parametrize(
    "headers",
    [
        (HOST,),
        (HOST, ("cookie", "fusion_bench_webui_8000=wrong")),
        (HOST, ("cookie", "fusion_bench_webui_8001=secret")),
        (HOST, ("cookie", "\x00=;;=\xff")),
    ],
)
def test_without_the_key_there_is_nothing_to_see(headers):
    assert told(ask(*headers)) == (403, NO_KEY)
    assert told(ask(*headers, query="key=wrong")) == (403, NO_KEY)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1:8001", "127.0.0.1", ""])
def test_a_foreign_name_of_this_machine_is_refused(host):
    status, text = told(ask(("host", host), COOKIE))
    assert (status, text) == (403, f"This server is asked for as 127.0.0.1:8000, not as {host!r}.")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9000", "https://127.0.0.1:8000"])
def test_another_site_is_refused(origin):
    assert told(ask(HOST, COOKIE, ("origin", origin)))[0] == 403


def test_what_another_site_embeds_is_refused_and_a_link_is_not():
    foreign = ("sec-fetch-site", "cross-site")
    assert told(ask(HOST, COOKIE, foreign, ("sec-fetch-mode", "no-cors")))[0] == 403
    assert told(ask(HOST, COOKIE, foreign, ("sec-fetch-mode", "navigate")))[0] == 200


def test_this_page_may_ask():
    origin = ("origin", "http://127.0.0.1:8000")
    assert told(ask(HOST, COOKIE, origin))[0] == 200
    assert told(ask(("host", "localhost:8000"), COOKIE, ("origin", "http://localhost:8000")))[0] == 200
    assert ask(HOST, COOKIE, origin, kind="websocket") == [{"type": "websocket.accept"}]


@pytest.mark.parametrize(
    "headers", [(HOST,), (HOST, COOKIE, ("origin", "http://evil.example")), (("host", "evil.example"), COOKIE)]
)
def test_connections_are_closed_where_requests_are_refused(headers):
    assert ask(*headers, kind="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_no_other_page_may_frame_this_one_and_nothing_is_loaded_from_elsewhere():
    for answer in (ask(HOST, COOKIE), ask(HOST)):
        headers = dict(answer[0]["headers"])
        assert headers[b"x-frame-options"] == b"DENY"
        policy = headers[b"content-security-policy"].decode()
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "*" not in policy
    assert b"X-Frame-Options" not in dict(ask(HOST, COOKIE)[0]["headers"])
