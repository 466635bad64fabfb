"""The command ``fusion_bench_webui``: a page on this machine to choose, start, watch and stop runs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

HOST = "127.0.0.1"  # this machine, and nobody else
PORT = 8265
NEEDED = {"nicegui": "NiceGUI", "griffe": "griffelib"}  # the extra webui: module and what it is called


def main() -> None:
    """Entry point of the console script and of ``python -m fusion_bench.webui.main``."""
    arguments = _parse(sys.argv[1:])
    missing = [name for module, name in NEEDED.items() if find_spec(module) is None]
    if missing:
        sys.exit(f"error: the page needs {' and '.join(missing)}: pip install 'fusion_bench[webui]'")
    if arguments.config_dir is not None and not Path(arguments.config_dir).is_dir():
        sys.exit(f"error: no configuration directory {arguments.config_dir}")
    try:
        listener = socket.create_server((HOST, arguments.port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        sys.exit(f"error: cannot listen on port {arguments.port}: {reason}; choose another with --port")
    from fusion_bench.webui.server import serve

    serve(listener, arguments.output, arguments.config_dir, open_browser=not arguments.no_browser)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fusion_bench_webui",
        description="Serve a page on this machine, for you alone, to choose, start, watch and stop runs.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, default=PORT, help=f"where to listen; 0: any free port ({PORT})")
    parser.add_argument("--output", metavar="DIR", help="where runs live (path.output_dir of the configuration)")
    parser.add_argument("--config-dir", metavar="DIR", help="look for configurations in DIR too")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
