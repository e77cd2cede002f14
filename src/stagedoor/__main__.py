"""`python -m stagedoor` is `stagedoor`."""

from stagedoor._cli import app

if __name__ == "__main__":
    app()
