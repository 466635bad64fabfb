"""The server behind the page: one process, one user, one address of this machine."""

from __future__ import annotations

import contextlib
import secrets
import socket
import sys
import webbrowser

import uvicorn
from fastapi import FastAPI
from nicegui import app, ui

from fusion_bench.webui.desk import Desk
from fusion_bench.webui.guard import Guard
from fusion_bench.webui.pages import add_pages


def serve(listener: socket.socket, output: str | None, config_dir: str | None, *, open_browser: bool) -> None:
    """Serve the page until the process is told to end; a run that goes on then is stopped.

    Args:
        listener: a socket that listens at an address of this machine alone.
        output: the directory of runs; None takes that of the configuration.
        config_dir: a directory of further configurations.
        open_browser: open the page in the user's browser.
    """
    host, port = listener.getsockname()
    desk = Desk(output, config_dir)
    application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_pages(desk)
    ui.run_with(
        application, title="fusion_bench", dark=None, language="en-US", tailwind=False, show_welcome_message=False,
        reconnect_timeout=30.0,
    )  # fmt: skip
    key = secrets.token_urlsafe(24)
    address = f"http://{host}:{port}/?key={key}"
    server = uvicorn.Server(
        uvicorn.Config(
            Guard(application, port, key), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
    )
    sys.stdout.write(f"fusion_bench_webui: {address}\nruns live in {desk.output}; Ctrl-C ends the server\n")
    sys.stdout.flush()
    if open_browser:
        webbrowser.open(address)
    app.on_shutdown(desk.runner.close)  # a signal ends the process before anything behind the next line
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
