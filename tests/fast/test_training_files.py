"""Checkpoints and model folders: whole or refused, and bit for bit what was saved."""

import dataclasses

import pytest

from skyhash.errors import InputError
from skyhash.locations import Location
from skyhash.spark.training import checkpoints, loop, model_folder


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def stepped(torch, steps, start=None):
    """A small net and its optimiser after some steps from the start, or from a checkpoint."""
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 6))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    if start is not None:
        checkpoints.restore(start, net, optimiser)
    for step in range(start.epochs if start else 0, steps):
        optimiser.zero_grad()
        x = torch.full((5, 6), 0.1 * (step + 1))
        torch.nn.functional.mse_loss(net(x), x).backward()
        optimiser.step()
    return net, optimiser


def test_resuming_from_a_checkpoint_gives_the_same_bits(torch, tmp_path):
    half = stepped(torch, 4)
    checkpoints.save(tmp_path, "key", 4, [{"epoch": 4, "loss": 0.5}], *half)
    loaded = checkpoints.load(tmp_path, "key")
    assert (loaded.epochs, loaded.metrics) == (4, [{"epoch": 4, "loss": 0.5}])
    resumed, whole = stepped(torch, 9, loaded)[0], stepped(torch, 9)[0]
    assert loop.digest(resumed.state_dict()) == loop.digest(whole.state_dict())
    assert loop.digest(resumed.state_dict()) != loop.digest(half[0].state_dict())


def test_no_checkpoint_is_none_and_a_foreign_or_broken_one_is_refused(torch, tmp_path):
    assert checkpoints.load(tmp_path, "key") is None
    checkpoints.save(tmp_path, "key", 1, [], *stepped(torch, 1))
    with pytest.raises(InputError, match="expected one of training other"):
        checkpoints.load(tmp_path, "other")
    path = tmp_path / checkpoints.FILE
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="delete it to start anew"):
        checkpoints.load(tmp_path, "key")


@pytest.fixture
def model(torch, tmp_path):
    """A model of three inputs in a folder of its own, and its description."""
    checkpoints.write(tmp_path / "w.safetensors", {"thresholds/median": torch.zeros(2)}, {})
    weights = Location(tmp_path / "w.safetensors")
    checksum = model_folder.checksum(weights)
    made = model_folder.Model(
        model_id=model_folder.model_id(checksum, "grid-1", "median"),
        encoder="autoencoder",
        descriptor_id="grid-1",
        describe={"kind": "magnetic_grid", "grid": 16},
        train={"epochs": 3},
        encoder_settings={"kind": "autoencoder"},
        dtype="float32",
        shape=[3],
        classes=["flare", "quiet"],
        code_size=2,
        threshold="median",
        weights_checksum=checksum,
        facts={},
    )
    return made, weights


def test_a_kept_model_is_read_as_it_was_described(model, tmp_path):
    made, weights = model
    kept = model_folder.keep(Location(tmp_path / "warehouse"), made, weights)
    assert model_folder.read(kept.parent) == made
    assert model_folder.keep(Location(tmp_path / "warehouse"), made, weights) == kept
    assert kept.parent.parent.names() == [made.model_id]
    assert sorted(kept.parent.names()) == [model_folder.DESCRIPTION, model_folder.WEIGHTS], "no draft is left behind"


def test_changed_weights_are_refused(model, tmp_path):
    made, weights = model
    kept = model_folder.keep(Location(tmp_path / "warehouse"), made, weights)
    kept.write(kept.read_bytes() + b" ")
    with pytest.raises(InputError, match="checksum"):
        model_folder.load(kept.parent)
    kept.remove()
    with pytest.raises(InputError, match="no file"):
        model_folder.load(kept.parent)


def test_the_rule_of_bits_and_the_descriptor_make_another_model(model):
    made, _ = model
    other = dataclasses.replace(made, threshold="mean")
    ids = {
        model_folder.model_id(m.weights_checksum, d, m.threshold) for m in (made, other) for d in ("grid-1", "grid-2")
    }
    assert len(ids) == 4


def test_a_folder_without_a_description_is_no_model(tmp_path):
    with pytest.raises(InputError, match=r"a model's folder with model\.json"):
        model_folder.read(Location(tmp_path))
