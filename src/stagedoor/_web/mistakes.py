"""What the log is told of a mistake beside its places: what the kit itself says, and nothing that others wrote."""

from pathlib import Path
from typing import Final

from stagedoor.errors import ConfigError

__all__ = ["told_of"]

_KIT: Final = str(Path(__file__).parent.parent)


def told_of(error: BaseException) -> str:
    """Return what the kit itself says of a mistake: what others write may hold secrets, and stays out of the log."""
    if type(error).__name__ == "HTTPException":
        return ": FastAPI's and Starlette's mean nothing here; raise NotFound() or Problem(...)"
    trace = error.__traceback__ if isinstance(error, TypeError | RuntimeError | ConfigError) else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_code.co_filename.startswith(_KIT)
    return f": {error}" if ours else ""
