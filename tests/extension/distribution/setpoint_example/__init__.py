"""One source, one strategy and one target, as somebody outside the project writes them."""
