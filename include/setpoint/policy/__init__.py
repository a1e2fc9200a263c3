"""The policy file: schema, loading, every problem reported at once."""
