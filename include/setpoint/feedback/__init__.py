"""Feedback: what a change did to health, and what follows from it."""
