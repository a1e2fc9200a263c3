"""Sensors: wait for capacity, and for a metric to cross a threshold."""
