"""The smallest real CLIP merging suite that can be trained on the spot: ``python -m tools.local_suite``."""
