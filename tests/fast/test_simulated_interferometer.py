"""The simulated interferometer: shapes, what observations of a source share, files and how they are read back."""

import numpy as np
import pytest
from archive_reading import archive, read
from astropy.io import fits

from skyhash.simulated import SIMULATORS
from skyhash.simulated.interferometer import NEAR, SHAPES, InterferometerSimulatorSettings, _beam
from skyhash.simulated.interferometer_sources import FWHM, MODELS
from skyhash.stages.neighbours import pairs
from skyhash.topk.filters.co_use import category_pairs

SEED = 5


def simulator(**settings):
    return SIMULATORS.make(InterferometerSimulatorSettings(**settings))


def sky(shape, source=0):
    offset = np.linspace(-3, 3, 301)
    north, east = np.meshgrid(offset, offset, indexing="ij")
    return MODELS[shape](np.random.default_rng([1, source]), 0.25)(east, north), east, north


def test_discs_have_gaps_and_arcs_lie_on_a_circle():
    disc, east, north = sky("disc")
    line = disc[150, 150:]
    falls, rises = (np.diff(line) < -1e-6).any(), (np.diff(line) > 1e-6).any()
    assert falls and rises, "a gap is where the light rises again outwards"
    arc, east, north = sky("arc")
    bright = arc > 0.5 * arc.max()
    radius = np.hypot(east, north)[bright]
    assert radius.std() < 0.15 * radius.mean() and radius.mean() > 3 * 0.2


def test_points_are_small_and_doubles_are_two():
    from scipy import ndimage

    point, east, north = sky("point")
    assert np.hypot(east, north)[point > 0.5].max() < 0.25
    for source in range(5):
        double, *_ = sky("double", source)
        assert ndimage.label(double > 0.3 * double.max())[1] in (1, 2)
    outflow, east, north = sky("outflow")
    assert outflow[150, 150] > 0.5 and ((outflow > 0.1) & (np.hypot(east, north) > 0.5)).any()


def test_the_beam_is_a_gaussian_of_its_widths():
    kernel = _beam((1.0, 0.5, 0.0), 0.05)
    middle = len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    north, east = kernel[:, middle], kernel[middle]  # angle 0: the major axis points north
    for line, width in ((north, 1.0), (east, 0.5)):
        assert line[middle + round(width / 2 / 0.05)] / line[middle] == pytest.approx(0.5, abs=0.01)
    assert pytest.approx(np.sqrt(8 * np.log(2)), rel=1e-4) == FWHM


@pytest.mark.parametrize("kind", ["continuum", "peak_flux"])
def test_files_have_four_axes_and_are_read_back(kind):
    made = simulator(image_kind=kind, channels=4)
    for number in (0, 1, 4, 9):
        name, content = made.file(number, SEED)
        found = read("interferometer", content, name, image_kind=kind)
        header = fits.Header.fromstring(content[:8640].decode("latin-1"))
        assert header["NAXIS"] == 4 and header["NAXIS3"] == (1 if kind == "continuum" else 4)
        facts = found.facts
        assert facts["simulated"] and facts["label"] == list(SHAPES)[number // 4 % 5]
        assert facts["source_id"] == f"sim{SEED}-{number // 4:05d}" and facts["category"] in NEAR
        assert facts["release_time"] > facts["obs_time"] and 48 <= facts["width_px"] <= 160
        assert facts["facts"]["pixel_arcsec"] == pytest.approx(facts["facts"]["beam_major_arcsec"] / 5, rel=1e-5)
        values = found.image.physical()
        noise = 1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values)))
        assert 2.5 < (np.nanmax(values) - np.nanmedian(values)) / noise < 400


def test_observations_of_a_source_differ_and_its_place_does_not():
    made = simulator()
    several = [read("interferometer", made.file(n, SEED)[1], "x.cont.fits") for n in range(4)]
    assert len({(f.facts["ra"], f.facts["dec"], f.facts["source_id"]) for f in several}) == 1
    assert len({f.facts["facts"]["beam_major_arcsec"] for f in several}) == 4
    assert len({f.facts["obs_time"] for f in several}) == 4


def test_some_images_have_edges_that_are_not_measured_and_some_are_not_public():
    made = simulator()
    found = [read("interferometer", made.file(n, SEED)[1], "x.cont.fits") for n in range(24)]
    assert 4 < sum(np.isnan(f.image.values).any() for f in found) < 20
    assert 0 < sum(f.facts["release_time"].year == 2200 for f in found) < 10


def test_the_archive_is_kept_and_made_longer(tmp_path):
    first = simulator(images=3).write(tmp_path, SEED)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = simulator(images=5).write(tmp_path, SEED)
    assert (first["files written"], again["files written"], again["files kept"]) == (3, 2, 3)
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())
    assert not archive("interferometer").is_image_file(str(tmp_path / "co_use.csv"))


def test_the_records_of_co_use_accept_what_science_uses_together(tmp_path):
    (tmp_path / "co_use.csv").write_bytes(simulator().co_use(SEED))
    rows = [(row["record"], row["category"]) for row in pairs._rows(str(tmp_path / "co_use.csv"), "records")]
    accepted = {(p.query_category, p.neighbour_category) for p in category_pairs(rows) if p.accepted}
    assert accepted >= {*((c, c) for c in NEAR), *NEAR.items()}
    assert ("Disks and planet formation", "Active galaxies") not in accepted
