"""The innermost Send of an upstream: the only code that touches the world."""
