"""Simulated pictures in CIFAR-10's format: classes that differ, parts, files written once and read back."""

from pathlib import Path

import numpy as np

from skyhash.archives.cifar10 import Cifar10, Cifar10Settings
from skyhash.simulated import SIMULATORS
from skyhash.simulated.cifar10 import CLASSES, Cifar10SimulatorSettings, figure


class File:
    def __init__(self, path: Path):
        self.path, self.file = str(path), path

    def bytes(self):
        return self.file.read_bytes()

    def beside(self, name):
        return (self.file.parent / name).read_bytes()


def members(folder):
    archive = Cifar10(Cifar10Settings())
    files = [path for path in sorted(folder.iterdir()) if archive.is_image_file(str(path))]
    return [member for path in files for member in archive.members(File(path))]


def test_figures_of_two_classes_differ_and_reach_to_the_edge_of_their_square():
    y, x = np.mgrid[-1.5:1.5:61j, -1.5:1.5:61j]
    drawn = {name: figure(name, x, y) for name in CLASSES}
    for name, one in drawn.items():
        assert 0.05 < one.mean() < 0.4, name
        assert not one[np.hypot(x, y) > 1.4].any(), name
        assert all(np.mean(one != other) > 0.03 for key, other in drawn.items() if key != name), name


def test_files_are_read_back_and_written_once(tmp_path):
    simulator = SIMULATORS.make(Cifar10SimulatorSettings(images=80))
    assert simulator.write(tmp_path, 7)["files written"] == 3
    found = members(tmp_path)
    facts = [member.facts() for member in found]
    assert all(f["simulated"] for f in facts) and {f["label"] for f in facts} == set(CLASSES)
    parts = {part: [f["label"] for f in facts if f["split"] == part] for part in ("train", "test")}
    assert len(parts["train"]) == 60 and sorted(parts["test"]) == sorted(2 * list(CLASSES))
    pictures = [member.image().values for member in found]
    assert all(picture.shape == (32, 32, 3) and picture.std() > 15 for picture in pictures)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert simulator.write(tmp_path, 7)["files written"] == 0
    # a longer archive begins with the shorter one
    SIMULATORS.make(Cifar10SimulatorSettings(images=120)).write(tmp_path, 7)
    assert (tmp_path / "simulated_test_batch.bin").read_bytes().startswith(before["simulated_test_batch.bin"])
    assert SIMULATORS.make(Cifar10SimulatorSettings(images=80)).write(tmp_path / "other", 8)
    assert (tmp_path / "other" / "simulated_test_batch.bin").read_bytes() != before["simulated_test_batch.bin"]
