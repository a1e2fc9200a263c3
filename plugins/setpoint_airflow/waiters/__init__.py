"""Waiter models, as data: one JSON file a service, in botocore's format."""
