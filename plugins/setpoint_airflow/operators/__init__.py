"""Operators: the steps of a policy's run, and Auto Scaling operators in the Amazon provider's style."""
