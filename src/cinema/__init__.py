"""cinema: an online-cinema platform behind one gateway, built with stagedoor."""

__version__ = "1.0.0"

__all__ = ["__version__"]
