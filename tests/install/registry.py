"""A registry of tomorrow: of each pinned package the version of the lock, and a newer one."""

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from tests.install.locks import Pin, Read

__all__ = ["Registry", "publish"]

OF_EXTRA = re.compile(r"""\bextra *== *['"]([^'"]+)""")


@dataclass(frozen=True, kw_only=True)
class Registry:
    """An index in a folder, and the lock that was made before its newer versions came."""

    index: Path
    lock: str


def newer(version: str) -> str:
    """Make up a version above one."""
    return f"{Version(version).major + 1}.0"


def publish(folder: Path, lock: Mapping[str, Pin], read: Read) -> Registry:
    """Fill an index (PEP 503) with empty wheels that require what the real ones do."""
    lines = []
    for pin in lock.values():
        pinned = wheel(pin.name, pin.version, read(pin.name))
        following = wheel(pin.name, newer(pin.version), read(pin.name))
        shelf = folder / pin.name
        shelf.mkdir()
        files = {named(pin.name, pin.version): pinned, named(pin.name, newer(pin.version)): following}
        for name, content in files.items():
            (shelf / name).write_bytes(content)
        (shelf / "index.html").write_text("".join(f'<a href="{name}">{name}</a>\n' for name in files))
        marker = f" ; {pin.marker}" if pin.marker else ""
        lines.append(
            f"{pin.name}=={pin.version}{marker} --hash=sha256:{hashlib.sha256(pinned).hexdigest()}\n"
        )
    return Registry(index=folder, lock="".join(lines))


def named(name: str, version: str) -> str:
    """Name a wheel's file (PEP 427)."""
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def wheel(name: str, version: str, needs: Collection[str]) -> bytes:
    """Build a wheel without a single module."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    extras = sorted({extra for need in needs for extra in OF_EXTRA.findall(need)})
    asks = "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    asks += "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{asks}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},sha256={digest(text)},{len(text)}\n" for path, text in files.items())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}).items():
            archive.writestr(path, text)
    return packed.getvalue()


def digest(text: str) -> str:
    """Hash a file as RECORD does."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
