"""Build the data of tiny8: ``python -m tools.tiny8.data --cache DIR --out DIR --pool DIR``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from tools.tiny8.data.build import build
from tools.tiny8.data.fetch import SourceError


def main() -> int:
    """Parse the command line and build; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.tiny8.data", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="for downloads and results of slow steps, about 4 GB")
    parser.add_argument("--out", type=Path, required=True, help="for the eight tasks")
    parser.add_argument("--pool", type=Path, required=True, help="for the pretraining pool, about 300 MB")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    try:
        build(arguments.cache.resolve(), arguments.out.resolve(), arguments.pool.resolve())
    except SourceError as error:
        print(f"tiny8 data: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
