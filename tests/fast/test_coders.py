"""The classical coders: PCA against scikit-learn, ITQ and LSH by their laws and by slow loops."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from skyhash.coders.itq import Itq
from skyhash.coders.lsh import Lsh
from skyhash.coders.packing import unpack
from skyhash.coders.pca import Components
from skyhash.coders.pca_sign import PcaSign
from skyhash.coders.standardised import Standardised
from skyhash.errors import InputError

CODERS = (PcaSign, Itq, Lsh)


@pytest.fixture(scope="module")
def rows():
    """Correlated rows (300, 40), of unlike variances and not around zero."""
    generator = np.random.default_rng(3)
    return (generator.normal(size=(300, 40)) @ generator.normal(size=(40, 40)) + 5).astype(np.float32)


def bits_of(packed, i, j):
    return packed[i, j // 8] >> (7 - j % 8) & 1


def test_components_are_those_of_scikit_learn_up_to_sign(rows):
    ours, theirs = Components.fit(rows, 12), PCA(12, svd_solver="full").fit(rows.astype(np.float64))
    turned = np.sign((ours.axes.T * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(ours.axes.T * turned[:, None], theirs.components_, atol=1e-9)
    np.testing.assert_allclose(ours(rows) * turned, theirs.transform(rows.astype(np.float64)), rtol=1e-4, atol=1e-4)
    assert ours(rows).dtype == np.float32


def test_fewer_rows_than_columns_have_the_same_components():
    """Rows stand for images; beyond their rank (one less than their number) an axis is any that is at right angles."""
    wide = np.random.default_rng(5).normal(size=(30, 400)).astype(np.float32)
    ours, theirs = Components.fit(wide, 30), PCA(29, svd_solver="full").fit(wide.astype(np.float64))
    turned = np.abs(np.sum(ours.axes[:, :29] * theirs.components_.T, axis=0))
    np.testing.assert_allclose(turned, 1.0, atol=1e-6)
    np.testing.assert_allclose(ours.axes.T @ ours.axes, np.eye(30), atol=1e-9)
    many = Components.fit(wide, 31).axes  # more than there are rows: from the covariance
    np.testing.assert_allclose(np.abs(np.sum(many[:, :29] * ours.axes[:, :29], axis=0)), 1.0, atol=1e-6)


def test_components_do_not_depend_on_the_order_of_rows(rows):
    np.testing.assert_allclose(Components.fit(rows, 8).axes, Components.fit(rows[::-1], 8).axes, atol=1e-9)


def test_standardised_is_that_of_scikit_learn_but_constant_cells_are_0(rows):
    flat = rows.copy()
    flat[:, 7] = 3
    got = Standardised.fit(flat)(flat * 2)
    expected = StandardScaler().fit(flat.astype(np.float64)).transform(flat.astype(np.float64) * 2)
    assert (got[:, 7] == 0).all()
    np.testing.assert_allclose(np.delete(got, 7, axis=1), np.delete(expected, 7, axis=1), rtol=1e-5, atol=1e-5)


def test_pca_sign_bits_are_signs_of_components(rows):
    packed, heights = PcaSign.fit(rows, 11)(rows[:20]), PCA(11, svd_solver="full").fit(rows).transform(rows[:20])
    found = unpack(packed, 11)
    for j in range(11):  # an axis may point either way
        assert (found[:, j] == (heights[:, j] > 0)).all() or (found[:, j] == (heights[:, j] < 0)).all()


@pytest.mark.parametrize("seed", range(4))
def test_itq_keeps_a_rotation_and_never_raises_the_loss(rows, seed):
    coder = Itq.fit(rows, 16, seed)
    np.testing.assert_allclose(coder.rotation @ coder.rotation.T, np.eye(16), atol=1e-10)
    assert len(coder.losses) == 51
    assert (np.diff(coder.losses) <= 1e-9 * coder.losses[0]).all()
    assert coder.losses[-1] < 0.999 * coder.losses[0]


def test_itq_loss_and_bits_by_loops(rows):
    coder = Itq.fit(rows, 9, 1, iterations=3)
    total, packed = 0.0, coder(rows)
    for i, row in enumerate(rows.astype(np.float64)):
        for j in range(9):
            component = [float((row - coder.components.mean) @ axis) for axis in coder.components.axes.T]
            turned = sum(component[k] * coder.rotation[k, j] for k in range(9))
            total += ((1 if turned > 0 else -1) - turned) ** 2
            assert bits_of(packed, i, j) == (turned > 0)
    assert total == pytest.approx(coder.losses[-1], rel=1e-9)


def test_the_procrustes_step_is_the_best_rotation(rows):
    """One step from any start: no rotation near the fitted one does better for the signs it was fitted to."""
    start, one = Itq.fit(rows, 6, 5, iterations=0), Itq.fit(rows, 6, 5, iterations=1)
    projected = start.components.project(rows)
    corners = np.where(projected @ start.rotation > 0, 1.0, -1.0)
    best = np.square(corners - projected @ one.rotation).sum()
    generator = np.random.default_rng(0)
    for size in (1e-3, 0.1, 1.0):
        for _ in range(20):
            step = generator.normal(size=(6, 6)) * size
            near, upper = np.linalg.qr(np.eye(6) + step - step.T)
            near *= np.sign(np.diag(upper))
            assert np.square(corners - projected @ one.rotation @ near).sum() >= best - 1e-6


def test_lsh_bits_differ_as_often_as_the_angle_says(rows):
    coder = Lsh.fit(rows, 4096, 2)
    some = rows[:12].astype(np.float64) - coder.mean
    differ = (unpack(coder(rows[:12]), 4096)[:, None] != unpack(coder(rows[:12]), 4096)[None]).mean(axis=2)
    for i in range(12):
        for j in range(12):
            cosine = some[i] @ some[j] / np.linalg.norm(some[i]) / np.linalg.norm(some[j])
            share = np.arccos(np.clip(cosine, -1, 1)) / np.pi
            assert abs(differ[i, j] - share) < 5 * np.sqrt(share * (1 - share) / 4096) + 1e-6


@pytest.mark.parametrize("coder", CODERS)
def test_codes_are_packed_equal_for_equal_seeds_and_row_by_row(rows, coder):
    fitted = coder.fit(rows)
    whole = fitted(rows)
    assert whole.shape == (300, 4) and whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, coder.fit(rows.copy())(rows))
    np.testing.assert_array_equal(whole, np.concatenate([fitted(rows[i : i + 1]) for i in range(300)]))
    assert len(np.unique(whole, axis=0)) > 100


@pytest.mark.parametrize("coder", (Itq, Lsh))
def test_another_seed_gives_other_codes(rows, coder):
    assert (coder.fit(rows, 16, 1)(rows) != coder.fit(rows, 16, 2)(rows)).any()


@pytest.mark.parametrize("bad", [np.zeros((0, 4)), np.zeros(4), np.full((3, 4), np.nan)])
@pytest.mark.parametrize("coder", (*CODERS, Standardised))
def test_rows_that_cannot_be_fitted_are_refused(coder, bad):
    with pytest.raises(InputError, match="vector"):
        coder.fit(bad)


@pytest.mark.parametrize("coder", (PcaSign, Itq))
def test_more_bits_than_columns_are_refused(rows, coder):
    with pytest.raises(InputError, match="1 to 40"):
        coder.fit(rows, 41)
