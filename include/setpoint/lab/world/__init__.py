"""The simulated storefront: seeded traffic, what it does to a fleet, and the metrics it publishes. Pure."""
