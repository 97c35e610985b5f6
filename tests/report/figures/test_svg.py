import re
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.core.text import printable
from xray.report.figures import (
    accuracy_heatmap,
    density_map,
    density_maps,
    diagnostic_plots,
    drop_intervals,
    forest,
    inline_svg,
    marginal_plot,
    robustness_intervals,
    save,
    svg_bytes,
    train_test_map,
)
from xray.statistics import regression


def categories(names, model="m"):
    rows = [(model, "pretrained", s, name, k / len(names)) for s in ("x", "y") for k, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "category", "accuracy"])


def drawn(names):
    """Every figure, with these names in it."""
    cells = pd.DataFrame({"model": names, "trained_on": "original", "scenario": names, "accuracy": 0.5})
    bounds = {"ci_low": 0.1, "ci_high": 0.2, "sigma2_cross": 0.1, "sigma2_inner": 0.1}
    rows = [(a, b, 0.1 + 0.2 * (k % 3) + 0.1 * (a == names[0])) for a in names for k, b in enumerate(names)]
    fitted = regression(pd.DataFrame(rows, columns=["a\n$b$", "c", "accuracy"]), factors=["a\n$b$", "c"])
    residuals = pd.DataFrame({"fitted": [0.1, 0.2], "residual": [0.1, -0.1], "standardised": [1, -1]})
    return {
        "accuracies": accuracy_heatmap(cells),
        "densities": density_maps(categories(names, names[1])),
        "drops": drop_intervals(cells.assign(drop=0.1, **bounds)),
        "effects": forest(fitted),
        "means": marginal_plot(pd.DataFrame({"level": names, "mean": 0.5, **bounds})),
        "robust": robustness_intervals(cells.assign(s_robust=0.5, **bounds)),
        "trained": train_test_map(cells.assign(model="m", trained_on=names)),
        "diagnostics": diagnostic_plots(residuals),
    }


def targets(svg):
    return set(re.findall(' id="([^"]+)"', svg))


def texts(document):
    return ["".join(element.itertext()) for element in ET.fromstring(document).iter("{http://www.w3.org/2000/svg}text")]


class TestSave:
    def test_the_same_numbers_are_the_same_bytes(self, tmp_path):
        for name, figure in drawn(["a", "b", "c"]).items():
            save(figure, tmp_path / f"{name}.svg")
        for name, figure in drawn(["a", "b", "c"]).items():
            assert (tmp_path / f"{name}.svg").read_bytes() == svg_bytes(figure), name
            assert b"<dc:date>" not in svg_bytes(figure)

    def test_pixels_are_the_same_bytes_too(self):
        values = np.linspace(-1, 1, 6_000)
        table = pd.DataFrame({"fitted": values, "residual": values, "standardised": values})
        first, second = (svg_bytes(diagnostic_plots(table)) for _ in range(2))
        assert first == second
        assert b"<image" in first

    def test_names_stand_there_as_they_are(self, hostile):
        for name, figure in drawn(list(hostile)).items():
            if name == "diagnostics":
                continue
            document = svg_bytes(figure)
            assert b"<script" not in document
            for level in hostile:
                assert any(printable(level) in text for text in texts(document)), (name, level)

    def test_only_svg(self, tmp_path):
        with pytest.raises(XrayError, match=r"\.png"):
            save(density_map(categories(["a"]), "m"), tmp_path / "a.png")
        assert not list(tmp_path.iterdir())

    def test_nothing_is_cut_off(self):
        long = [f"{k} is a name of exactly forty characters."[:40] for k in range(3)]
        for name, made in drawn(long).items():
            figure = made if hasattr(made, "savefig") else made.figure
            figure.draw_without_rendering()
            box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
            assert min(box.x0, box.y0) > -0.01, name
            assert box.x1 < width + 0.01, name
            assert box.y1 < height + 0.01, name


class TestInline:
    def test_names_are_text(self, hostile):
        svg = inline_svg(density_map(categories(hostile), "m"), 'a "title" <b>', "n")
        assert "$a_b$ &amp; &lt;script" in svg
        assert not [one for one in ("<script", "\x00", "\u202e") if one in svg]
        assert 'aria-label="a &quot;title&quot; &lt;b&gt;"' in svg

    def test_ids_of_two_figures_do_not_clash(self):
        many = categories([f"c{k}" for k in range(30)])
        first, second = (targets(inline_svg(density_map(many, "m"), "t", name)) for name in ("one", "two"))
        assert first
        assert not first & second

    @pytest.mark.parametrize("name", ["drops", "densities", "robust", "diagnostics"])
    def test_every_reference_has_its_target_and_ink_follows_the_page(self, name):
        svg = inline_svg(drawn(["a", "b", "c"])[name], "t", "n")
        used = set(re.findall(r'href="#([^"]+)|url\(#([^)]+)', svg))
        assert used
        assert {link or url for link, url in used} <= targets(svg)
        assert "currentColor" in svg
        assert not [tag for tag in ("<style", "<metadata") if tag in svg]
