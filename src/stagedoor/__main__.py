"""`python -m stagedoor` is `stagedoor`."""

from stagedoor.cli import app

if __name__ == "__main__":
    app()
