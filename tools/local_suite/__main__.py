"""The command ``python -m tools.local_suite``."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def main() -> None:
    """Build the suite, or what is missing of it, and print its accuracies."""
    parser = argparse.ArgumentParser(prog="python -m tools.local_suite", description=__doc__)
    parser.add_argument("--root", type=Path, default=REPOSITORY / "data/local_suite", help="where it goes")
    parser.add_argument("--seed", type=int, default=0, help="seed of data and training")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("tools").setLevel(logging.INFO)
    # Read when torch is imported: on a busy machine, threads that spin while they wait are ten times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from tools.local_suite.build import build, summary
    from tools.local_suite.suite import Layout

    try:
        build(arguments.root, arguments.seed)
    except ModuleNotFoundError as error:
        sys.exit(f"{error}; the local suite needs the extra 'demo': pip install -e '.[demo]'")
    except ValueError as error:
        sys.exit(str(error))
    print(summary(Layout(arguments.root)))


if __name__ == "__main__":
    main()
