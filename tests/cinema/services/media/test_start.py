"""What has to be right before the media service listens (contract 11, 16)."""

import asyncio
import time
from pathlib import Path

import pytest

from cinema.doctor.clocks import Clocks
from cinema.doctor.pictures import of_pictures
from cinema.services.frame import Outage
from cinema.services.media.start import validate_ready
from cinema.services.media.store import objects_of
from cinema.settings import Settings, SettingsError
from tests.cinema.services.media.conftest import answering, of_s3
from tests.servers import Server


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_a_token_it_listens_on_loopback(tmp_path: Path, host: str) -> None:
    """Contract 11."""
    validate_ready(Settings(media_dir=tmp_path), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "media", "media.internal"])
def test_without_a_token_it_listens_nowhere_else(tmp_path: Path, host: str) -> None:
    """Contract 11: refused in one line that names the setting; with a token it may."""
    with pytest.raises(SettingsError, match=r"^MEDIA_TOKEN: [^\n]*$"):
        validate_ready(Settings(media_dir=tmp_path), host)

    validate_ready(Settings(media_dir=tmp_path, media_token="x"), host)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """One line, before anything listens."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"^MEDIA_DIR: "):
        validate_ready(Settings(media_dir=tmp_path / "file" / "media"), "127.0.0.1")


def test_a_bucket_that_is_not_there_is_named(s3: Server) -> None:
    """Issue 13: obstore makes none."""
    validate_ready(Settings.model_validate(of_s3(s3.url)), "127.0.0.1")

    with pytest.raises(SettingsError, match=r"^MEDIA_S3_BUCKET: there is no bucket 'other'"):
        validate_ready(Settings.model_validate(of_s3(s3.url, "other")), "127.0.0.1")


def test_a_key_that_opens_nothing_is_named_and_not_shown(s3: Server) -> None:
    """T15: the line is for a terminal."""
    settings = Settings.model_validate({**of_s3(s3.url), "media_s3_secret_key": "wrong-secret"})

    with pytest.raises(SettingsError, match=r"^MEDIA_S3_ACCESS_KEY, MEDIA_S3_SECRET_KEY: ") as told:
        validate_ready(settings, "127.0.0.1")

    assert "wrong-secret" not in str(told.value)


def test_a_store_that_does_not_answer_yet_keeps_nothing_from_starting() -> None:
    """In a container set everything starts at once; /health says how it is."""
    validate_ready(Settings.model_validate(of_s3("http://127.0.0.1:1")), "127.0.0.1")


async def test_a_clock_that_a_store_does_not_believe_keeps_nothing_from_starting() -> None:
    """Issue 16: it comes right by itself; the line named the keys, which are the right ones."""
    said = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
    async with answering({"GET": (403, said, len(said))}) as url:
        settings = Settings.model_validate(of_s3(url))

        await asyncio.to_thread(validate_ready, settings, "127.0.0.1")
        found = await of_pictures(settings, Clocks(time.time))
        with pytest.raises(Outage) as told:
            await objects_of(settings).check()

    assert told.value.why[1] == "its clock and ours are too far apart for its signatures"
    assert [one.kind for one in found] == ["clock_off"]
