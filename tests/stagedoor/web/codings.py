"""Reads what is coded, whole or as far as it came."""

import zlib
from collections.abc import Callable
from typing import Final, NamedTuple

import brotli
from backports import zstd

__all__ = ["READ_AS", "Coded", "coded_so_far"]


class Coded(NamedTuple):
    """What came of a coded content, and whether it has its end."""

    plain: bytes
    ended: bool


def _gzip(octets: bytes) -> Coded:
    reader = zlib.decompressobj(31)
    plain = reader.decompress(octets)
    return Coded(plain, reader.eof and not reader.unused_data)


def _brotli(octets: bytes) -> Coded:
    reader = brotli.Decompressor()
    # At once it holds back what is above 32 KiB until more comes.
    plain = b"".join(reader.process(octets[start : start + 1_024]) for start in range(0, len(octets), 1_024))
    return Coded(plain, reader.is_finished())


def _zstd(octets: bytes) -> Coded:
    reader = zstd.ZstdDecompressor()
    plain = reader.decompress(octets)
    return Coded(plain, reader.eof and not reader.unused_data)


READ_AS: Final[dict[str, Callable[[bytes], Coded]]] = {"zstd": _zstd, "br": _brotli, "gzip": _gzip}


def coded_so_far(coding: str, octets: bytes) -> Coded:
    """Return the octets as they are; those of no coding are whole."""
    return READ_AS[coding](octets) if coding else Coded(octets, ended=True)
