"""Ask whether the store of pictures is there, and lets us in."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

import obstore
from obstore.exceptions import BaseError

from cinema.doctor.asking import SECONDS, asked
from cinema.doctor.clocks import Clocks
from cinema.doctor.finding import Finding
from cinema.services.media.causes import SKEWED
from cinema.services.media.store import S3
from cinema.settings import Settings

__all__ = ["of_pictures"]

_NAME: Final = "picture store"
_KEYS: Final = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccessDenied",
    "401 Unauthorized",
    "403 Forbidden",
)


async def of_pictures(settings: Settings, clocks: Clocks) -> Sequence[Finding]:
    """Return what is wrong with the bucket; the folder of a local store is looked at with the others."""
    if settings.media_store == "local":
        return []
    reply = await asked(settings.media_s3_endpoint or "")
    clocks.note(_NAME, reply.told)
    if reply.lost == "hung":
        remedy = "Look at its machine: disks, memory, network."
        return [Finding(_NAME, "hung", "it does not answer in time (MEDIA_S3_ENDPOINT)", remedy)]
    if reply.lost:
        remedy = "Start it, or correct MEDIA_S3_ENDPOINT."
        return [Finding(_NAME, "down", f"it does not answer{reply.why}", remedy)]
    return await _of_bucket(settings)


async def _of_bucket(settings: Settings) -> Sequence[Finding]:
    store = S3(settings)
    try:
        async with asyncio.timeout(2 * SECONDS):
            await obstore.list_with_delimiter_async(store.raw, prefix="check")
    except TimeoutError:
        return [Finding(_NAME, "hung", "it answers, and not to what is asked of it", "Look at its log.")]
    except (BaseError, OSError) as error:
        return [_refused(str(error), settings.media_s3_bucket)]
    return []


def _refused(said: str, bucket: str | None) -> Finding:
    if "NoSuchBucket" in said:
        return Finding(
            _NAME, "missing", f"there is no bucket {bucket!r}", "Create it, or correct MEDIA_S3_BUCKET."
        )
    if SKEWED in said:
        remedy = "Let both take the time from the network (chrony, systemd-timesyncd)."
        return Finding(
            _NAME, "clock_off", "it takes no request with the time of this machine's clock", remedy
        )
    if any(one in said for one in _KEYS):
        remedy = "Correct MEDIA_S3_ACCESS_KEY and MEDIA_S3_SECRET_KEY, or give them the bucket."
        return Finding(_NAME, "credentials", f"it refuses these keys for the bucket {bucket!r}", remedy)
    if failing := re.search(r"\b50[0-9] [A-Z][a-z]+", said):
        remedy = "Look at its log; if a proxy answers for it, start what stands behind that."
        return Finding(_NAME, "ill", f"it answers, and fails ({failing[0]})", remedy)
    return Finding(_NAME, "version", "what answers is no store that speaks S3", "Correct MEDIA_S3_ENDPOINT.")
