"""Named errors.

Two families. A `UserError` is a mistake in settings or input: the message is one line (what, found, expected) and
the process ends with exit code 2. A `BadFile` is a fault of one file of the archive: it becomes a row of `quarantine`
and the job goes on.
"""

import errno
import re


class SkyhashError(Exception):
    """Root of every error that skyhash raises on purpose: the job failed, in one line."""

    exit_code = 1


class UserError(SkyhashError):
    """A setting, path or input that cannot be worked with.

    Parameters
    ----------
    what : str
        The setting, file or table at fault, by the user's name for it (``neighbours.k``, a path).
    found : object
        What was there.
    expected : str
        What would have been right.
    """

    exit_code = 2

    def __init__(self, what: str, found: object, expected: str):
        self.what, self.found, self.expected = what, found, expected
        super().__init__(what, found, expected)

    def __str__(self) -> str:
        line = f"{self.what}: found {self.found}, expected {self.expected}"
        return " ".join(line.split())


class ConfigError(UserError):
    """A setting is unknown, missing or out of its range."""


class InputError(UserError):
    """An input path or table is missing, empty or of the wrong form."""


class ModelMismatch(UserError):
    """A model was trained for another descriptor or another input size."""


class DataLoss(SkyhashError):
    """The number of rows is not the expected one; the step stops before it is marked done."""


class WarehouseBusy(SkyhashError):
    """Another job is writing to the warehouse."""

    exit_code = 3


class LeaseLost(SkyhashError):
    """This job did not renew its lease on the warehouse in time, and another job has taken it over."""


class ReleaseRefused(SkyhashError):
    """A check of what was built failed, so it is not released to readers."""

    exit_code = 4


class BadFile(SkyhashError):
    """One file of the archive cannot be used.

    Parameters
    ----------
    reason : str
        The code that `quarantine.reason` holds: one of `REASONS`, or an archive's own, of lower-case letters and _.
    message : str
        What exactly was found, in one line.
    """

    REASONS = (
        "io_error",  # reading failed for a reason that may pass: tried again in every run
        "unreadable",  # not of the archive's format, or cut short
        "not_an_image",  # opens, but holds no two-dimensional image
        "wrong_instrument",  # an image of another instrument or product
        "header",  # a keyword that cannot be done without is missing or makes no sense
        "no_time",  # the observation time is missing or cannot be read
        "quality",  # the archive's own quality flags reject it
        "too_large",  # more bytes or pixels than the settings allow
        "changed",  # the content is no longer what ingest saw
        "duplicate",  # the same content was ingested before under another name
        "empty",  # nothing in the image is above its background: an observation that failed, or a blank cut-out
    )

    def __init__(self, reason: str, message: str):
        if not re.fullmatch(r"[a-z][a-z_]{1,30}", reason):
            raise ValueError(f"quarantine reason {reason!r}, expected lower-case letters and _")
        self.reason, self.message = reason, " ".join(str(message).split())
        super().__init__(reason, self.message)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)


def may_pass(error: OSError) -> bool:
    """Whether an I/O error may be transient; not if the file is absent, not permitted or no regular file."""
    return not isinstance(error, _FINAL) and error.errno not in (errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO)
