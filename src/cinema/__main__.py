"""Run the command line as `python -m cinema`: how the stack starts its children."""

from cinema.cli import main

if __name__ == "__main__":
    main()
