"""Guards: what a proposal may become. Pure; checked when deciding and again when applying."""
