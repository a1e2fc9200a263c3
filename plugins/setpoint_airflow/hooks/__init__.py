"""Hooks in the Amazon provider's style, for services it has none for."""
