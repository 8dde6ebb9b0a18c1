"""Kept machine code is forgotten as soon as any source of the package is another one."""

from skyhash.compiled import forget_stale


def test_machine_code_outlives_reading_but_no_change(tmp_path):
    package = tmp_path / "package"
    (package / "room" / "__pycache__").mkdir(parents=True)
    source, index = package / "room" / "loops.py", package / "room" / "__pycache__" / "loops.nbi"
    source.write_text("one = 1\n")
    index.write_bytes(b"kept")
    assert forget_stale(package) and not index.exists()
    index.write_bytes(b"kept")
    assert not forget_stale(package) and index.exists()
    source.write_text("one = 11\n")
    assert forget_stale(package) and not index.exists()


def test_a_zip_keeps_nothing(tmp_path):
    archive = tmp_path / "package.zip"
    archive.write_bytes(b"")
    assert not forget_stale(archive / "skyhash")
