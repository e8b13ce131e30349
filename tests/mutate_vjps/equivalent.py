"""Mutants that compute the same as the original: their name, and why no test can tell them apart."""

EQUIVALENT: dict[str, str] = {}
