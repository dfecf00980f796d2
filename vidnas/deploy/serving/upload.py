"""One video out of the body of a request, bounded in size and time, whatever its sender claims."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fastapi import HTTPException, Request, status
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from vidnas.core.quantities import format_bytes
from vidnas.core.text import cause_of
from vidnas.deploy.serving.limits import ServingLimits

FIELD = "video"
_CURE = f"send a form with one file in the field {FIELD}, such as `curl -F {FIELD}=@clip.mp4 URL`"
_FIELDS_MAX = 8
"""Of a form: browsers and tools may add some of their own, and none is read."""


@asynccontextmanager
async def received_video(request: Request, limits: ServingLimits) -> AsyncIterator[Path]:
    """Give a file that holds the video of a request, and remove it afterwards.

    The name that the sender gave to the file is not used for anything.

    Raises:
        HTTPException: the request is too large or too slow, brings no video, or there is no room
            for it.
    """
    _check_claims(request, limits)
    try:
        form = await asyncio.wait_for(_read_form(request, limits), limits.timeout_s)
    except asyncio.TimeoutError as error:
        raise HTTPException(
            status.HTTP_408_REQUEST_TIMEOUT,
            f"The video did not arrive within {limits.timeout_s:g} s; send it over a faster line, "
            "or a smaller one.",
        ) from error
    except ClientDisconnect as error:
        raise HTTPException(
            status.HTTP_400_BAD_REQUEST, "The connection ended before the video did."
        ) from error
    except (MultiPartException, UnicodeError) as error:
        raise HTTPException(
            status.HTTP_400_BAD_REQUEST, f"The form cannot be read ({error}); {_CURE}."
        ) from error
    except OSError as error:
        raise _no_room(error) from error
    try:
        upload = form.get(FIELD)
        if not isinstance(upload, UploadFile):
            raise HTTPException(422, f"The form has no file in the field {FIELD}; {_CURE}.")
        async with _copied(upload) as video:
            yield video
    finally:
        await form.close()


def _check_claims(request: Request, limits: ServingLimits) -> None:
    """Refuse what its head gives away, before any of the body is read."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise HTTPException(
            status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, f"The request is no form; {_CURE}."
        )
    if int(request.headers.get("content-length", 0)) > limits.max_upload_bytes:
        raise _too_large(limits)


async def _read_form(request: Request, limits: ServingLimits) -> FormData:
    body = _bounded(request.stream(), limits)
    return await MultiPartParser(request.headers, body, max_files=1, max_fields=_FIELDS_MAX).parse()


async def _bounded(
    chunks: AsyncGenerator[bytes, None], limits: ServingLimits
) -> AsyncGenerator[bytes, None]:
    """Yield what arrives, up to the largest request: its head may claim less, or nothing."""
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > limits.max_upload_bytes:
            raise _too_large(limits)
        yield chunk


@asynccontextmanager
async def _copied(upload: UploadFile) -> AsyncIterator[Path]:
    """Give a file that holds what was sent, in a folder of its own: one for all uploads would lie
    empty for days, and be taken away by what cleans temporary files."""
    with ExitStack() as kept:
        try:
            video = Path(kept.enter_context(TemporaryDirectory(prefix="vidnas-serve-"))) / "video"
            await run_in_threadpool(_copy, upload, video)
        except OSError as error:
            raise _no_room(error) from error
        yield video


def _copy(upload: UploadFile, video: Path) -> None:
    with video.open("wb") as file:
        shutil.copyfileobj(upload.file, file)


def _no_room(error: OSError) -> HTTPException:
    return HTTPException(
        503,
        f"The server cannot keep the video ({cause_of(error)}); send it again later.",
        {"Retry-After": "60"},
    )


def _too_large(limits: ServingLimits) -> HTTPException:
    return HTTPException(
        413,  # its name in the library depends on the version
        f"The request is larger than {format_bytes(limits.max_upload_bytes)}; send a shorter or "
        "smaller video.",
    )
