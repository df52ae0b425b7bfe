import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from orchestrator.scoring import FeatureDistribution
from orchestrator.scoring.feature_distribution import load_distributions, save_distributions, thin_rows


def correlated_rows(count: int, size: int = 40, seed: int = 0) -> np.ndarray:
    """Return rows with 5 directions of large variance."""
    mix = np.random.default_rng(99).normal(size=(5, size))
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 5)) @ mix + 0.1 * random.normal(size=(count, size))


def statistics(count: int, channels: int = 300, seed: int = 0) -> np.ndarray:
    """Return means and positive standard deviations of channels."""
    random = np.random.default_rng(seed)
    return np.concatenate([random.normal(size=(count, channels)), np.exp(random.normal(size=(count, channels)))], 1)


def test_about_1_percent_of_new_rows_are_marked():
    rows = correlated_rows(5000)
    fitted = FeatureDistribution.fit("prompt", rows[:1000], rows[1000:3000])
    assert 0 < fitted.unlike(rows[1000:3000]).mean() <= 0.01
    assert 0.003 < fitted.unlike(rows[3000:]).mean() < 0.02


def test_distance_is_the_mahalanobis_distance_of_the_sample_covariance():
    """Compare with NumPy's inverse covariance; 40 rows of few values leave no residual direction but one."""
    rows = np.random.default_rng(0).normal(size=(200, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
    fitted = FeatureDistribution.fit("prompt", rows[:150], rows[150:])
    centred = rows - rows[:150].mean(0)
    inverse = np.linalg.inv(np.cov(rows[:150].T, bias=True))
    expected = np.sqrt(np.einsum("ni,ij,nj->n", centred, inverse, centred))
    np.testing.assert_allclose(fitted.distance(rows), expected, rtol=1e-3)


def test_rows_that_break_the_correlations_are_marked():
    """Shuffle each column: every value is an ordinary one, their combination is not."""
    rows = correlated_rows(600)
    fitted = FeatureDistribution.fit("prompt", rows[:400], rows[400:500])
    shuffled = np.random.default_rng(0).permuted(rows[500:], axis=0)
    assert fitted.unlike(shuffled).all() and not fitted.unlike(rows[500:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 6e4])
def test_extreme_values_are_marked(value):
    rows = statistics(120)
    fitted = FeatureDistribution.fit("image", rows[:90], rows[90:])
    strange = rows[:1].copy()
    strange[:, 3] = value
    assert fitted.unlike(strange).all() and np.isfinite(fitted.distance(strange)).all()


def test_images_are_compared_by_their_shallow_channels():
    rows = statistics(120)
    fitted = FeatureDistribution.fit("image", rows[:90], rows[90:])
    deeper = rows[:1].copy()
    deeper[:, 256:300] = 1e4
    assert fitted.distance(deeper) == fitted.distance(rows[:1]) and fitted.mean.shape == (512,)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_and_constant_rows_are_fitted(count):
    rows = np.ones((count, 8))
    fitted = FeatureDistribution.fit("prompt", rows, rows[:1])
    assert fitted.unlike(np.stack([np.ones(8), np.zeros(8)])).tolist() == [False, True]


def test_saved_distributions_are_small_and_the_same(tmp_path):
    rows = {"image": statistics(120, 2064), "prompt": correlated_rows(120, 384)}
    fitted = {kind: FeatureDistribution.fit(kind, part[:90], part[90:]) for kind, part in rows.items()}
    save_distributions(fitted, file := tmp_path / "training_features.safetensors")
    assert file.stat().st_size < 200_000
    found = load_distributions(file)
    for kind, part in rows.items():
        np.testing.assert_array_equal(found[kind].distance(part), fitted[kind].distance(part))


def test_other_arrays_are_refused(tmp_path):
    rows = correlated_rows(100)
    arrays = FeatureDistribution.fit("prompt", rows[:80], rows[80:]).arrays()
    wrong = [
        {"sound.mean": arrays["mean"]},
        {"prompt.mean": arrays["mean"]},
        {f"prompt.{name}": array for name, array in {**arrays, "mean": arrays["mean"][:3]}.items()},
        {f"prompt.{name}": array for name, array in {**arrays, "limit": np.array([np.nan], "float32")}.items()},
        {f"prompt.{name}": array for name, array in {**arrays, "floor": np.ones(3, "float32")}.items()},
    ]
    for content in wrong:
        save_file(content, tmp_path / "made.safetensors")
        with pytest.raises(ValueError):
            load_distributions(tmp_path / "made.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"torn")
    with pytest.raises(SafetensorError):
        load_distributions(tmp_path / "torn.safetensors")


def test_thin_rows_keeps_the_first_and_the_last():
    rows = thin_rows(np.arange(10_000) * 3)
    assert (len(rows), rows[0], rows[-1], len(set(rows.tolist()))) == (4000, 0, 29_997, 4000)
