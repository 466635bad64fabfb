"""``python -m fusion_bench`` is the command ``fusion_bench``."""

from fusion_bench.cli.main import main

if __name__ == "__main__":
    main()
