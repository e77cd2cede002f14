"""What an examination finds, as a value, and how it is told."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal, TypeAlias

__all__ = ["Finding", "Kind", "exit_code", "lines_of", "of_setting", "sorted_by_weight"]

Kind: TypeAlias = Literal[
    "setting",
    "disk_full",
    "read_only",
    "damaged",
    "port_taken",
    "down",
    "hung",
    "credentials",
    "version",
    "missing",
    "migrations",
    "index_missing",
    "index_behind",
    "ill",
    "clock_off",
    "certificate",
    "note",
]
# sysexits.h: a setting or a file, a place that cannot be written, a disk, what is not to be had now. In this order
# they are told: what is named first is often the reason of the rest.
_CODES: Final[dict[Kind, int]] = {
    "setting": os.EX_CONFIG,
    "disk_full": os.EX_IOERR,
    "read_only": os.EX_CANTCREAT,
    "damaged": os.EX_CONFIG,
    "port_taken": os.EX_UNAVAILABLE,
    "credentials": os.EX_CONFIG,
    "version": os.EX_CONFIG,
    "down": os.EX_UNAVAILABLE,
    "hung": os.EX_UNAVAILABLE,
    "missing": os.EX_CONFIG,
    "migrations": os.EX_CONFIG,
    "index_missing": os.EX_UNAVAILABLE,
    "index_behind": os.EX_UNAVAILABLE,
    "ill": os.EX_UNAVAILABLE,
    "clock_off": os.EX_UNAVAILABLE,
    "certificate": os.EX_CONFIG,
    "note": os.EX_OK,  # what works, and not as one might think
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: with what, in which way, in words, and what to do about it."""

    subject: str
    kind: Kind
    said: str
    remedy: str


def of_setting(error: Exception) -> Finding:
    """Return the finding for a setting that no process starts with; the error names it."""
    return Finding("settings", "setting", str(error), "Correct it in the environment, or in .env.")


def sorted_by_weight(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings with the likely reasons first."""
    order = [*_CODES]
    return sorted(findings, key=lambda one: (order.index(one.kind), one.subject))


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 if there is nothing, else what the first one means in sysexits.h."""
    return _CODES[findings[0].kind] if findings else os.EX_OK


def lines_of(findings: Sequence[Finding], *, as_json: bool) -> str:
    """Return what is printed: nothing where all is well, and always an object in JSON."""
    if as_json:
        return json.dumps({"findings": [asdict(one) for one in findings]}, indent=2, ensure_ascii=False)
    return "\n".join(f"{one.subject}: {one.said}\n    {one.remedy}" for one in findings)
