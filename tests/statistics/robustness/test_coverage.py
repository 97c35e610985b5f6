import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from xray.statistics import s_robust, s_robusts

MU = 0.95
CROSS = {"blur": 0.92, "grey": 0.88, "segmented": 0.70, "random_background": 0.30}
INNER = {"blur": 0.90, "grey": 0.91, "segmented": 0.85, "random_background": 0.65}


def simulated(models, images, seed, cross=CROSS, inner=INNER):
    """Models of the same true accuracies; half of what decides a verdict is the image, in all scenarios alike."""
    cells = {("original", "original"): MU}
    cells |= {("original", s): accuracy for s, accuracy in cross.items()} | {(s, s): a for s, a in inner.items()}
    generator = np.random.Generator(np.random.PCG64(seed))
    ease = generator.standard_normal((models, images, 1))
    right = (ease + generator.standard_normal((models, images, len(cells)))) / np.sqrt(2) > -ndtri([*cells.values()])
    model, image, cell = (places.ravel() for places in np.indices(right.shape))
    trained_on, scenario = (np.array(names)[cell] for names in zip(*cells, strict=True))
    columns = {"trained_on": trained_on, "scenario": scenario, "image_id": image, "correct": right.ravel()}
    return pd.DataFrame({"model": np.char.add("m", model.astype(str)), **columns})


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_hold_the_truth_as_often_as_they_say(method):
    true = s_robust(CROSS, INNER, MU).value
    found = pd.concat(s_robusts(simulated(80, 300, 50 + k), method=method, resamples=1000, seed=k) for k in range(4))
    holds = (found["ci_low"] <= true) & (true <= found["ci_high"])
    assert 0.91 <= holds.mean() <= 0.985  # 320 cases: three standard errors about 95 %
    assert found["s_robust"].mean() == pytest.approx(true, abs=0.004)  # bias 0.0015, error 0.0008


def test_the_bias_shows_where_drops_are_tiny_and_bca_stands_it_better():
    flat = dict.fromkeys(CROSS, MU - 0.005)
    true = s_robust(flat, flat, MU).value
    table = simulated(100, 300, 9, flat, flat)
    held = {}
    for method in ("bca", "percentile"):
        found = s_robusts(table, method=method, resamples=1000)
        held[method] = ((found["ci_low"] <= true) & (true <= found["ci_high"])).mean()
    assert found["s_robust"].mean() < true
    assert held["percentile"] < held["bca"] < 0.93
