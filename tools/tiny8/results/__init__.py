"""Scores every method on tiny8 and writes the page of results."""
