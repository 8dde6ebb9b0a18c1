"""A decorator that turns every error of a reader into `BadFile`, and the members of a file read under it."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from skyhash.errors import BadFile, SkyhashError, may_pass

if TYPE_CHECKING:
    from skyhash.archives.archive import Archive, Member, Source

Reader = TypeVar("Reader", bound=Callable[..., Any])


def guarded(read: Reader) -> Reader:
    """Turn any error of a reader into `BadFile`, and suppress its warnings.

    Damaged headers make astropy raise errors of any type and emit many warnings, and a declared size of 10**9 pixels
    is a MemoryError: these are faults of the file. Do not decorate generators; decorate the functions they call.
    """

    @functools.wraps(read)
    def reader(*args, **kwargs):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return read(*args, **kwargs)
        except SkyhashError:
            raise
        except MemoryError:
            raise BadFile("too_large", "does not fit into the memory of a worker") from None
        except Exception as error:
            line = " ".join(str(error).split())[:300]
            # an error of the operating system, not of the reader about the content
            passing = isinstance(error, OSError) and error.errno is not None and may_pass(error)
            message = f"{type(error).__name__}: {line}" if line else type(error).__name__
            raise BadFile("io_error" if passing else "unreadable", message) from None

    return reader  # type: ignore[return-value]


def members_of(archive: Archive, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
    """`Archive.members`, with every error of the archive's own code as `BadFile`."""
    iterator = guarded(lambda: iter(archive.members(source, wanted)))()
    advance: Callable[[], Member | None] = guarded(lambda: next(iterator, None))
    while (member := advance()) is not None:
        yield member
