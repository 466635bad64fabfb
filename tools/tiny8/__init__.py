"""Builds tiny8, the suite of eight small tasks and a tiny CLIP model that ships with the package."""
