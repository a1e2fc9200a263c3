"""Planning: the decisions that change something, as one plan, in portions, and the way back."""
