"""Base classes of settings: frozen, unknown keys refused; each archive, descriptor and encoder extends one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
# YAML parses an unquoted 2026-02-20T00:00:00 as a datetime
TimeText = Annotated[str, BeforeValidator(lambda value: value.isoformat() if isinstance(value, date) else value)]


class Settings(BaseModel):
    """A group of settings: unknown keys are errors, nothing can be changed after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchiveSettings(Settings):
    """Settings of every archive; an archive's own `Settings` extends them."""

    kind: str = Field(description="which archive reads the files")
    path: str = Field("", description="folder, glob or URI (s3://bucket/folder) of image files")
    storage: dict[str, str] = Field(
        default_factory=dict, description="options of an object store: endpoint_override, scheme, region"
    )
    verify: Literal["full", "header"] = Field("full", description="decode every image at ingest, or trust the header")
    vanished: Literal["keep", "retire"] = Field(
        "keep", description="images whose file is gone: keep them in the lists, or retire them"
    )
    max_file_mb: Positive = Field(4096, description="larger files go to quarantine unread")
    max_unpacked_mb: Positive = Field(
        4096, description="packed files (gzip, npz, chunks of HDF5) that unpack to more go to quarantine"
    )
    max_pixels: Positive = Field(16384 * 16384, description="images of more pixels go to quarantine undecoded")


class DescriptorSettings(Settings):
    """Settings of every descriptor; a descriptor's own `Settings` extends them."""

    kind: str = Field(description="which descriptor is computed")
    preview_px: Natural = Field(96, description="side of the stored preview picture; 0 = none")


class EncoderSettings(Settings):
    """Settings of every encoder; an encoder's own `Settings` extends them."""

    kind: str = Field(description="which network encodes the descriptors")


class SplitSettings(Settings):
    """Settings of every split; a split's own `Settings` extends them."""

    by: str = Field(description="which images train")


class EvaluationSettings(Settings):
    """Base of the settings of an evaluation."""


class SimulatorSettings(Settings):
    """Settings of every simulator; a simulator's own `Settings` extends them."""

    kind: str = Field(description="which simulator writes the archive")
    images: Natural = Field(0, description="simulated images made before ingest; 0 = none")
