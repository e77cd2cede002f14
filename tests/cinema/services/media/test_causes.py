"""What is told of an image store that cannot be used, by what obstore says."""

import errno
from pathlib import Path

import obstore
import pytest
from obstore.store import LocalStore, S3Store

from cinema.services.frame import Outage
from cinema.services.media import store as store_module
from cinema.services.media.causes import why
from cinema.services.media.store import Local

STATUS = (
    "Generic S3 error: ... Server returned non-2xx status code\n inner: Status {\n status: %s,\n body: %s"
)


@pytest.mark.parametrize(
    ("said", "reason", "told"),
    [
        (STATUS % (507, "full"), "unavailable", "its disk is full"),
        (STATUS % (500, "no space left on device"), "unavailable", "its disk is full"),
        (STATUS % (403, "<Code>SignatureDoesNotMatch</Code>"), "unavailable", "refuses our keys"),
        (STATUS % (404, "<Code>NoSuchBucket</Code>"), "unavailable", "has no bucket of this name"),
        (STATUS % (503, "<Code>SlowDown</Code>"), "unavailable", "answered 503"),
        ("kind: Timeout, source: reqwest::Error", "timeout", "timeout"),
        ("dns error: failed to lookup address information", "unavailable", "its name cannot be resolved"),
        ("InvalidCertificate(Expired)", "unavailable", "its certificate has expired"),
        (
            "InvalidCertificate(UnknownIssuer)",
            "unavailable",
            "its certificate is of an authority that is not known here",
        ),
        ("kind: Request, IncompleteMessage", "unavailable", "closed the connection before its answer"),
        ("code: 28, kind: StorageFull", "unavailable", "its disk is full"),
        ("code: 30, kind: ReadOnlyFilesystem", "unavailable", "its disk can only be read"),
        ("code: 13, kind: PermissionDenied", "unavailable", "its folder may not be used by this user"),
        ("Got invalid list response", "garbled", "what it says cannot be understood (Exception)"),
    ],
)
def test_f6_the_log_says_why_the_image_store_cannot_be_used(said: str, reason: str, told: str) -> None:
    """F6: obstore has one class for all of it."""
    assert why(Exception(said)) == (reason, told)


async def test_f6_what_obstore_says_of_a_refused_connection_is_known() -> None:
    """Its words are no promise of its own: a newer one must not turn this into nonsense."""
    store = S3Store(
        "b",
        endpoint="http://127.0.0.1:1",
        region="r",
        access_key_id="a",
        secret_access_key="b",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(obstore.exceptions.BaseError) as refused:
        await obstore.head_async(store, "x")

    assert why(refused.value) == ("unavailable", "refused the connection")


async def test_f6_what_obstore_says_of_a_file_in_the_way_is_known(tmp_path: Path) -> None:
    """The same for a directory."""
    store = LocalStore(tmp_path)
    (tmp_path / "x").write_text("a file where a folder must be")
    with pytest.raises((obstore.exceptions.BaseError, OSError)) as refused:
        await obstore.put_async(store, "x/y", b"octets", use_multipart=False)

    assert why(refused.value)[0] == "unavailable"


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, ""), (errno.ENOSPC, "its disk is full"), (errno.EROFS, "its disk can only be read")],
)
async def test_f6_a_store_that_takes_no_more_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    """F6: reading goes on, so that health says "degraded"."""
    monkeypatch.setattr(store_module, "refusal", lambda _: number)

    assert await Local(tmp_path).closed() == told


async def test_f6_a_folder_that_has_gone_is_an_outage(tmp_path: Path) -> None:
    """F6: a disk that is not mounted any more has lost no picture, and takes none on the one below it."""
    folder = tmp_path / "media"
    store = Local(folder)
    folder.rmdir()

    for asked in (store.size("x.png"), store.put("x.png", memoryview(b"octets")), store.check()):
        with pytest.raises(Outage) as outage:
            await asked
        assert outage.value.why == ("unavailable", "its folder is not there")
    assert not folder.exists()
