"""Suites that are installed with the package; each directory holds data sets, models and a manifest of its files."""
