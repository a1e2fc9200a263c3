"""Setpoint at its Airflow edge: hooks, operators, sensors, triggers and links, in the style of the Amazon provider."""
