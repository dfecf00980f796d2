"""What goes wrong with one video, whatever it was, is an error that names the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from vidnas.core import Modality, UserError


class VideoError(UserError):
    """A video that cannot be used: its path, and the reason in a few words.

    It is transient where not the video is at fault but the machine or the moment: the next attempt
    may succeed.
    """

    def __init__(self, path: Path, reason: str, transient: bool = False) -> None:
        super().__init__(path, reason, transient)  # all in `args`: the error is pickled
        self.path = path
        self.reason = reason
        self.transient = transient

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; replace the video or remove it."


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn whatever is raised while a file is read into a `VideoError` that names it.

    Files from outside find every gap in a decoder and in its bindings, so no list of exceptions
    would be complete. What is a sentence for the user already stays as it is.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError as error:
        raise VideoError(path, "needs more memory than a video may take") from error
    except av.FFmpegError as error:
        raise VideoError(path, f"cannot be decoded ({error.strerror or error})") from error
    except OSError as error:
        # Without a number it is not the kernel's: the file asks for another one, which is refused.
        transient = error.errno is not None
        raise VideoError(path, f"cannot be read ({error.strerror or error})", transient) from error
    except Exception as error:
        what = " ".join(str(error).split())[:100]
        raise VideoError(path, f"cannot be decoded ({type(error).__name__}: {what})") from error


def reject_objects(modalities: Iterable[Modality]) -> None:
    """Reject maps of object classes, which videos do not hold.

    Raises:
        UserError: they are among the modalities.
    """
    if "objects" in modalities:
        raise UserError(
            "The network takes maps of object classes, which vidnas cannot make from a video; call "
            "it from Python with your own maps, or choose a network without an object stream."
        )
