"""Downloads: each file from the first mirror that has it whole, verified before it is kept.

All mirrors are first asked at once whether they answer, so that a machine without a network is told so in seconds
at most: the system may take minutes to give up one address, and a mirror has several.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent import futures
from pathlib import Path

from ..backends.log import LOGGER
from ..storage.atomic import write_atomically
from .idx import load_idx
from .mnist_files import Array

_log = LOGGER.getChild("datasets")

# Seconds for all mirrors together to answer at all.
CONNECT_TIMEOUT = 5.0
# Seconds without a byte, not for the whole download.
READ_TIMEOUT = 30.0


class DownloadError(OSError):
    """No mirror has the file, or none can be reached; `reason` is the first mirror's, in few words."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def download(files: Mapping[str, str], mirrors: Sequence[str], folder: Path) -> dict[str, Array]:
    """Download IDX files into `folder` and return their contents.

    Parameters
    ----------
    files : mapping of str to str
        Name, without `.gz`, to the hexadecimal SHA-256 of the decompressed content.
    mirrors : sequence of str
        URLs to which a name and `.gz` are appended.
    folder : Path
        Made if need be. It holds each file whole and verified, or not at all.

    Raises
    ------
    DownloadError
        If a file cannot be had from any mirror; lists what was tried.
    OSError
        If `folder`, or a file in the system's folder for temporary ones, cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answers = _ask([f"{mirror}{next(iter(files))}.gz" for mirror in mirrors])
    deadline = time.monotonic() + CONNECT_TIMEOUT
    arrays = {}
    for file, sha256 in files.items():
        failures = {}
        for mirror, answer in zip(mirrors, answers, strict=True):
            try:
                _wait(answer, deadline)
                arrays[file] = _fetch(f"{mirror}{file}.gz", sha256, folder)
                break
            except _Failure as failure:
                failures[f"{mirror}{file}.gz"] = str(failure)
                _log.warning("%s%s.gz cannot be downloaded: %s", mirror, file, failure)
        else:
            tried = "; ".join(f"{url} ({reason})" for url, reason in failures.items())
            raise DownloadError(f"could not download {file}.gz; tried {tried}", next(iter(failures.values()), ""))
    return arrays


class _Failure(Exception):
    """A mirror has failed; the next one may not."""


def _ask(urls: Sequence[str]) -> list[futures.Future[None]]:
    """Ask all for the head of a file, each in a thread of its own; an answer of any kind sets the future."""
    import pooch

    ask = pooch.HTTPDownloader(timeout=READ_TIMEOUT)  # the asker waits for less

    def wait_for_answer(url: str, answer: futures.Future[None]) -> None:
        try:
            ask(url, None, None, check_only=True)
            answer.set_result(None)
        except Exception as error:  # told to whoever waits for the answer
            answer.set_exception(error)

    answers: list[futures.Future[None]] = [futures.Future() for _ in urls]
    for arguments in zip(urls, answers, strict=True):
        # A thread of a pool would be waited for at the end of the program.
        threading.Thread(target=wait_for_answer, args=arguments, daemon=True).start()
    return answers


def _wait(answer: futures.Future[None], deadline: float) -> None:
    try:
        answer.result(max(0.0, deadline - time.monotonic()))
    except futures.TimeoutError:
        raise _Failure(f"no answer within {CONNECT_TIMEOUT:g} s") from None
    except (OSError, ValueError) as error:
        raise _Failure(_reason(error)) from error


def _fetch(url: str, sha256: str, folder: Path) -> Array:
    """Download, verify and keep one file, and return its content."""
    import pooch

    pooch.get_logger().info("Downloading %s to %s", url, folder)
    with tempfile.TemporaryDirectory() as temporary:
        downloaded = Path(temporary) / url.rpartition("/")[2]
        try:
            get = pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), chunk_size=1 << 16)
            get(url, downloaded, None)
            array = load_idx(downloaded, sha256)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # of the system, about the temporary file;
                raise OSError(error.errno, error.strerror, str(downloaded)) from error
            raise _Failure(_reason(error).removeprefix(f"{downloaded}: ")) from error  # an HTTP library's have none
        # Not moved: the two may lie on different disks, where that is a copy which can be cut short.
        write_atomically(folder / downloaded.name, downloaded.read_bytes())
    _log.info("%s downloaded", url)
    return array


def _reason(error: Exception) -> str:
    # An HTTP library wraps "connection refused" in four layers of its own; the innermost says what happened.
    innermost: BaseException = error
    while isinstance(error, OSError) and innermost.__context__ is not None:
        innermost = innermost.__context__
    return getattr(innermost, "strerror", None) or str(innermost) or type(innermost).__name__
