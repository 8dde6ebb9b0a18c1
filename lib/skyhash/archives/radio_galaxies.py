"""Cut-outs of radio galaxies: pictures, npz files of many images, FITS images and cubes.

A radio galaxy has two lobes of synchrotron emission, fed by the jets of its black hole and larger than the galaxy.
Classes: FRI, brightest near the centre; FRII, brightest at the ends (hot spots; Fanaroff & Riley 1974); *Bent*, jets
swept to one side by the surrounding gas; *Compact*, not resolved by the beam. Most labelled catalogues are of the FIRST
survey (VLA, 1.4 GHz, beam 5.4 arcsec, 1.8 arcsec a pixel).

- **Pictures** (PNG, JPEG; 8 or 16 bit). Cut-outs of FIRST have 300 px (9 arcmin); their noise is already set to 0, and
  the brightest pixel of the whole cut-out is 255, so a bright neighbour makes the source itself faint. The name holds
  right ascension and declination (``10.451_-9.284_0_MiraBest.png``). Rows are stored from the top and reversed, so that
  the bottom row is first as in FITS. Colours are kept; descriptors average them.
- **npz**: an array `images` of shape (n, height, width), rows from the top, and optionally an array of class numbers.
  Nothing is unpickled (``allow_pickle=False``). Of MiraBest's 792 cut-outs of 150 px six are empty, because the noise
  threshold was above the source. Of equal images in one file the first is used, the others are duplicates.
- **FITS**: SkyView's cut-outs have unprintable characters in their comments, for which astropy only warns. Cubes are
  reduced to one plane (`skyhash.archives.formats.fits_planes`). MiraBest's names are
  ``code_ra+dec_redshift_size.fits``.
- **Labels** come from a table ``manifest.csv`` beside the images or up to two folders above
  (`skyhash.archives.formats.manifest`), from the name of the folder, or are missing. MiraBest's labels have several
  words (``FRI confident sub0``); with `label_words: 1` the class is the first word. The full label is in ``facts``.
- **Times** are null where the file or table has none.

Simulated images have the FITS keyword SIMULATD, or ``simulated`` in the file's name or the table's row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from pydantic import Field

from skyhash.archives.archive import Archive, Facts, Member, Source
from skyhash.archives.formats import fits_planes, manifest, pictures, times
from skyhash.archives.guard import guarded
from skyhash.errors import BadFile
from skyhash.pixels.image import Image
from skyhash.settings import ArchiveSettings, Natural, NotNegative

_COORDINATES = re.compile(r"(?:^|_)(\d{1,3}\.\d+)_?([+-]?\d{1,2}\.\d+)(?=_|$|\.[a-z])")


class RadioGalaxiesSettings(ArchiveSettings):
    """See the module."""

    kind: Literal["radio_galaxies"] = "radio_galaxies"
    labels: Literal["manifest", "folder", "none"] = Field("manifest", description="where class labels come from")
    manifest: str = Field("manifest.csv", description="table beside the images or up to two folders above")
    label_words: Natural = Field(0, description="words of the label that make the class; 0 = all")
    npz_images: str = Field("images", description="array of an npz file that holds the images")
    npz_labels: str = Field("labels", description="array of class numbers or names; used where the manifest has none")
    npz_classes: tuple[str, ...] = Field((), description="names of class numbers 0, 1, ...; empty = the numbers")
    cube: fits_planes.Reduction = Field("plane", description="how a cube is reduced: one channel, peak or a moment")
    plane: int = Field(0, description="channel for cube: plane; from 0, negative from the end")
    pixel_arcsec: NotNegative = Field(0.0, description="size of a pixel where the file has none; 0 = unknown")


class RadioGalaxies(Archive):
    """See the module."""

    Settings = RadioGalaxiesSettings
    version = 2
    settings: RadioGalaxiesSettings
    fact_columns = {"notes": "string", "pixel_arcsec": "double"}  # noqa: RUF012

    def table_rows(self, source: Source) -> str:
        """Rows of the manifest."""
        return manifest.rows_of_file(source, self.settings.manifest)

    def members(self, source: Source, wanted: Collection[str] | None = None) -> Iterator[Member]:
        """One member per picture or FITS file; one per row of an npz file, called ``0``, ``1``, ..."""
        head = self._head(source)
        if head.startswith(b"PK\x03\x04"):
            yield from self._rows(source, wanted)
        elif wanted is None or "" in wanted:
            yield _FitsMember(self, source) if head.startswith((b"SIMPLE", b"\x1f\x8b")) else _Picture(self, source)

    @guarded
    def _head(self, source: Source) -> bytes:
        data = source.bytes()
        if not data:
            raise BadFile("unreadable", "the file is empty")
        if data.startswith(b"version https://git-lfs"):
            raise BadFile("unreadable", "a pointer of Git LFS, not the file")
        return data[:512]

    def _rows(self, source: Source, wanted: Collection[str] | None) -> Iterator[Member]:
        images, labels = self._arrays(source)
        first: dict[bytes, int] = {}
        for number, values in enumerate(images):
            same = first.setdefault(values.tobytes(), number)
            if wanted is None or str(number) in wanted:
                label = None if labels is None or number >= len(labels) else labels[number]
                yield _NpzRow(self, source, str(number), values, label, same)

    @guarded
    def _arrays(self, source: Source) -> tuple[np.ndarray, np.ndarray | None]:
        return pictures.arrays(source.bytes(), self.settings)


class _Member:
    def __init__(self, archive: RadioGalaxies, source: Source, name: str = ""):
        self.settings, self.source, self.name = archive.settings, source, name

    @guarded
    def facts(self) -> Facts:
        path = PurePosixPath(self.source.path.replace("\\", "/"))
        folder = f"{path.parent.name}/" if self.settings.labels == "folder" else ""
        facts: dict[str, Any] = {"natural_key": f"{folder}{path.name}{f'[{self.name}]' if self.name else ''}"}
        extra: dict[str, Any] = {}
        coordinates = _COORDINATES.search(path.name)
        if coordinates and not self.name:
            facts["ra"], facts["dec"] = float(coordinates.group(1)), float(coordinates.group(2))
        self._of_file(facts, extra)
        row = manifest.row_of(self.source, self.settings.manifest, self.name)
        if row is not None:
            of_row = manifest.facts_of(row)
            extra.update(of_row.pop("facts"))
            facts.update({key: value for key, value in of_row.items() if value is not None})
        if self.settings.labels == "none":
            facts["label"] = None
        elif self.settings.labels == "folder":
            facts["label"] = path.parent.name or None
        if facts.get("label") and self.settings.label_words:
            words = str(facts["label"]).split()
            extra["label_in_full"], facts["label"] = facts["label"], " ".join(words[: self.settings.label_words])
        named = f"{path.name} {facts.get('category') or ''}".lower()
        facts["simulated"] = bool(facts.get("simulated")) or "simulated" in named
        facts["facts"] = extra
        return facts

    def _of_file(self, facts: dict[str, Any], extra: dict[str, Any]) -> None:
        raise NotImplementedError

    def _image(self, values: np.ndarray, unit: str = "", pixel_arcsec: float = 0.0) -> Image:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size == 0 or finite.min() == finite.max():
            raise BadFile("empty", "all pixels have the same value" if finite.size else "no pixel is measured")
        pixel = pixel_arcsec or self.settings.pixel_arcsec
        return Image(values, unit, facts={"pixel_arcsec": pixel} if pixel else {})


class _Picture(_Member):
    def _of_file(self, facts: dict[str, Any], extra: dict[str, Any]) -> None:
        facts["width_px"], facts["height_px"] = pictures.size(self.source.bytes(), self.settings.max_pixels)

    @guarded
    def image(self) -> Image:
        return self._image(pictures.decoded(self.source.bytes(), self.settings.max_pixels)[::-1])


class _NpzRow(_Member):
    def __init__(self, archive: RadioGalaxies, source: Source, name: str, values: np.ndarray, label: Any, same_as: int):
        super().__init__(archive, source, name)
        self.values, self.label, self.same_as = values, label, same_as

    def _of_file(self, facts: dict[str, Any], extra: dict[str, Any]) -> None:
        facts["height_px"], facts["width_px"] = self.values.shape[:2]
        if self.label is not None:
            names, number = self.settings.npz_classes, self.label
            known = isinstance(number, np.integer) and 0 <= number < len(names)
            facts["label"] = names[int(number)] if known else str(number)

    @guarded
    def image(self) -> Image:
        image = self._image(self.values[::-1])
        if self.same_as != int(self.name):
            raise BadFile("duplicate", f"equal to image {self.same_as} of the same file")
        return image


class _FitsMember(_Member):
    def _read(self, decode: bool) -> tuple[dict[str, Any], Any]:
        of = self.settings
        return fits_planes.read(self.source.bytes(), of.max_pixels, decode, of.max_unpacked_mb << 20)

    def _of_file(self, facts: dict[str, Any], extra: dict[str, Any]) -> None:
        header, _ = self._read(decode=False)
        facts["width_px"], facts["height_px"] = int(header["NAXIS1"]), int(header["NAXIS2"])
        if str(header.get("CTYPE1", "")).startswith("RA"):
            facts.setdefault("ra", manifest.number(str(header.get("CRVAL1"))))
            facts.setdefault("dec", manifest.number(str(header.get("CRVAL2"))))
        facts["obs_time"] = times.date_obs(header)
        facts["category"] = str(header.get("SURVEY") or header.get("TELESCOP") or "").strip() or None
        facts["source_id"] = str(header.get("OBJECT", "")).strip() or None
        facts["simulated"] = header.get("SIMULATD") is True
        facts["label"] = str(header.get("CLASS", "")).strip() or None
        if pixel := _pixel_arcsec(header):
            extra["pixel_arcsec"] = pixel

    @guarded
    def image(self) -> Image:
        of = self.settings
        header, cube = self._read(decode=True)
        assert cube is not None
        values = fits_planes.plane_of(cube, header, of.cube, of.plane)
        return self._image(values, fits_planes.unit_of(header, of.cube, len(cube)), _pixel_arcsec(header))


def _pixel_arcsec(header: dict[str, Any]) -> float:
    """Side of a pixel from CDELT2 in degrees, 0 where the header has none."""
    step = manifest.number(str(header.get("CDELT2")))
    return round(abs(step) * 3600, 6) if step else 0.0
