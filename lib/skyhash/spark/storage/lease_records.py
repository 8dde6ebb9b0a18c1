"""How leases are kept: numbered records of their holders, each claimed by one process alone.

On a file system record N is the file ``NNNNNNNN.json``: a complete draft is hard-linked to that name, which fails where
the name exists, over NFS too. On an object store, which has no links, record N is the first version of an empty Delta
table ``NNNNNNNN/``: delta-rs writes it on the condition that it does not exist (S3's If-None-Match, and what other
stores have instead), and what then stands there says whose claim came first.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from typing import Any, Protocol

from skyhash.locations import Location

# object stores tell times in whole seconds
COARSE_SECONDS = 2.0


@dataclass(frozen=True)
class Draft:
    """Facts about a holder that claim a number, and when they were written, by the file server's clock."""

    location: Location
    facts: dict[str, Any]
    written: float


class Records(Protocol):
    """The records of one warehouse's leases."""

    def draft(self, facts: dict[str, Any]) -> Draft: ...
    def discard(self, draft: Draft) -> None: ...
    def numbers(self) -> list[int]: ...
    def claim(self, draft: Draft, number: int) -> bool: ...
    def read(self, number: int) -> tuple[dict[str, Any], float]: ...
    def renew(self, number: int) -> None: ...
    def replace(self, number: int, facts: dict[str, Any]) -> None: ...
    def delete(self, number: int) -> None: ...


def records(folder: Location) -> Records:
    """The records in a folder."""
    return LinkedFiles(folder) if folder.local is not None else ConditionalWrites(folder)


class LinkedFiles:
    """Records as files of a file system with hard links; renewing one touches it."""

    def __init__(self, folder: Location):
        assert folder.local is not None
        self.folder = folder.local

    def draft(self, facts: dict[str, Any]) -> Draft:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f".{secrets.token_hex(16)}"
        file.write_text(json.dumps(facts), encoding="utf-8")
        return Draft(Location(file), facts, file.stat().st_mtime)

    def discard(self, draft: Draft) -> None:
        draft.location.remove()

    def numbers(self) -> list[int]:
        return [int(file.stem) for file in self.folder.glob("*.json") if file.stem.isdigit()]

    def claim(self, draft: Draft, number: int) -> bool:
        try:
            os.link(draft.location, self._file(number))
        except FileExistsError:
            # NFS may repeat a request whose reply was lost: a link count of two says that the first succeeded
            return os.stat(draft.location).st_nlink == 2
        return True

    def read(self, number: int) -> tuple[dict[str, Any], float]:
        # opened, not only stat'ed: NFS clients update a file's time from the server when they open it
        with open(self._file(number), encoding="utf-8") as file:
            facts: dict[str, Any] = json.load(file)
            return facts, os.fstat(file.fileno()).st_mtime

    def renew(self, number: int) -> None:
        os.utime(self._file(number))

    def replace(self, number: int, facts: dict[str, Any]) -> None:
        os.replace(self.draft(facts).location, self._file(number))

    def delete(self, number: int) -> None:
        os.unlink(self._file(number))

    def _file(self, number: int) -> str:
        return str(self.folder / f"{number:08d}.json")


class ConditionalWrites:
    """Records on an object store; renewing one writes a file beside the claim."""

    def __init__(self, folder: Location):
        self.folder = folder

    def draft(self, facts: dict[str, Any]) -> Draft:
        file = self.folder / f".{secrets.token_hex(16)}"
        file.write(json.dumps(facts))
        entry = file.entry()
        return Draft(file, facts, entry.modified if entry else 0.0)

    def discard(self, draft: Draft) -> None:
        draft.location.remove()

    def numbers(self) -> list[int]:
        return [int(name) for name in self.folder.names() if name.isdigit()]

    def claim(self, draft: Draft, number: int) -> bool:
        from deltalake import Schema
        from deltalake.exceptions import DeltaError
        from deltalake.schema import Field, PrimitiveType
        from deltalake.transaction import create_table_with_add_actions

        place = self.folder / f"{number:08d}"
        nothing = Schema([Field("nothing", PrimitiveType("string"))])
        try:
            create_table_with_add_actions(
                place.for_delta_rs, nothing, [], "error", description=json.dumps(draft.facts),
                storage_options=place.delta_rs_options(),
            )  # fmt: skip
        except DeltaError:
            if not self._claim(number).exists():
                raise
        # the first version says who was first: delta-rs may report success to a second one that came after
        return self._claimed(number)["claim"] == draft.facts["claim"]

    def read(self, number: int) -> tuple[dict[str, Any], float]:
        renewed, claim = self._renewed(number).entry(), self._claim(number).entry()
        times = [entry.modified for entry in (renewed, claim) if entry]
        facts = self._claimed(number)
        if renewed and renewed.size:
            facts |= json.loads(self._renewed(number).read_text())
        return facts, max(times, default=0.0) + COARSE_SECONDS

    def renew(self, number: int) -> None:
        self._renewed(number).write("{}")

    def replace(self, number: int, facts: dict[str, Any]) -> None:
        self._renewed(number).write(json.dumps({"given_back": facts.get("given_back", False)}))

    def delete(self, number: int) -> None:
        (self.folder / f"{number:08d}").remove()

    def _claim(self, number: int) -> Location:
        return self.folder / f"{number:08d}" / "_delta_log" / f"{0:020d}.json"

    def _renewed(self, number: int) -> Location:
        return self.folder / f"{number:08d}" / "renewed.json"

    def _claimed(self, number: int) -> dict[str, Any]:
        actions = (json.loads(line) for line in self._claim(number).read_text().splitlines())
        description = next(action["metaData"]["description"] for action in actions if "metaData" in action)
        facts: dict[str, Any] = json.loads(description)
        return facts
