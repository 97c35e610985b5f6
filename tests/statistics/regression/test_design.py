import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.statistics.regression.design import Design, Factor
from xray.statistics.regression.result import regression


def all_cells(design):
    return np.array(list(itertools.product(*(range(size) for size in design.shape))))


designs = st.builds(
    lambda sizes, pairs: Design(
        tuple(Factor(f"f{k}", tuple(f"l{j}" for j in range(size))) for k, size in enumerate(sizes)),
        tuple((f"f{a}", f"f{b}") for a, b in sorted(pairs) if a < b < len(sizes)),
    ),
    st.lists(st.integers(2, 4), min_size=1, max_size=3),
    st.sets(st.tuples(st.integers(0, 2), st.integers(0, 2))),
)


@given(designs)
@settings(deadline=None, max_examples=15)
def test_a_column_is_1_where_its_levels_are(design):
    codes = all_cells(design)
    matrix = design.matrix(codes).toarray()
    assert matrix.shape == (len(codes), len(design.columns))
    for name, column in zip(design.columns, matrix.T, strict=True):
        wanted = np.ones(len(codes), bool)
        for part in name.split(":") if name != "Intercept" else []:
            factor, level = part.removesuffix("]").split("[")
            place = design.names.index(factor)
            wanted &= codes[:, place] == design.factors[place].levels.index(level)
        np.testing.assert_array_equal(column, wanted)


@given(designs, st.data())
@settings(deadline=None, max_examples=15)
def test_other_references_span_the_same_space(design, data):
    reference = {factor.name: data.draw(st.sampled_from(factor.levels)) for factor in design.factors}
    moved = design.relevelled(reference)
    assert {factor.name: factor.reference for factor in moved.factors} == reference
    codes = all_cells(design)
    table = pd.DataFrame({f.name: np.array(f.levels)[codes[:, k]] for k, f in enumerate(design.factors)})
    both = [design.matrix(codes).toarray(), moved.matrix(moved.codes(table)).toarray()]
    ranks = [np.linalg.matrix_rank(part) for part in (*both, np.hstack(both))]
    assert len(set(ranks)) == 1


class TestLevels:
    def of(self, values, **options):
        return Design.of(pd.DataFrame({"f": values}), ["f"], **options).factors[0].levels

    def test_as_people_sort_them(self):
        assert self.of(["a10", "a2", "B", "10", "9", "a1"]) == ("9", "10", "a1", "a2", "a10", "B")

    def test_numbers_by_size(self):
        assert self.of([10, 9, -1]) == ("-1", "9", "10")
        assert self.of([0.5, 10.0, 2.0]) == ("0.5", "2.0", "10.0")
        assert self.of([True, False]) == ("False", "True")
        assert self.of(pd.array([3, 1], dtype="Int64")) == ("1", "3")

    def test_categories_in_their_order_without_the_unused(self):
        assert self.of(pd.Categorical(["b", "a"], ["c", "b", "a"])) == ("b", "a")
        assert self.of(pd.Categorical.from_codes(np.repeat([3, 0, 2], 70_000), [*"abcd"])) == ("a", "c", "d")

    def test_the_reference_comes_first_and_may_be_a_number(self):
        assert self.of([0, 1, 2], reference={"f": 1}) == ("1", "0", "2")


class TestRefused:
    table = pd.DataFrame({"model": ["a", "b"], "scenario": ["x", "y"], "one": 1, "gap": ["u", None]})

    @pytest.mark.parametrize(
        ("factors", "options", "message"),
        [
            ([], {}, "at least one factor"),
            (["modle"], {}, "'modle'"),
            (["model", "model"], {}, "'model' is named twice"),
            (["one"], {}, "'one'.*'1'"),
            (["gap"], {}, r"'gap'.*first: 1"),
            (["model"], {"reference": {"model": "c"}}, "'c'"),
            (["model"], {"reference": {"scenario": "x"}}, "'scenario'"),
            (["model", "scenario"], {"interactions": [["model"]]}, "not 'model'"),
            (["model"], {"interactions": [["model", "scenario"]]}, "'scenario'"),
        ],
    )
    def test_by_name(self, factors, options, message):
        with pytest.raises(ConfigError, match=message):
            Design.of(self.table, factors, **options)

    def test_a_value_that_is_no_level(self):
        design = Design.of(self.table, ["model"])
        for values in (["a", "c"], pd.Categorical(["a", "c"]), ["c", None]):
            with pytest.raises(ConfigError, match="unknown level of factor 'model' 'c'"):
                design.codes(pd.DataFrame({"model": values}))

    def test_an_empty_cell_of_a_categorical_column(self):
        table = pd.DataFrame({"model": pd.Categorical(["a", "b", None])})
        with pytest.raises(ConfigError, match="'model' 'nan'"):
            Design.of(table, ["model"]).codes(table)

    def test_unknown_factors_and_levels_of_a_new_reference(self):
        design = Design.of(self.table, ["model"])
        with pytest.raises(ConfigError, match="unknown factor 'mdel'; did you mean 'model'"):
            design.relevelled({"mdel": "a"})
        with pytest.raises(ConfigError, match="unknown level of factor 'model' 'z'"):
            design.relevelled({"model": "z"})


def test_an_interaction_of_three_brings_its_pairs():
    table = pd.DataFrame(itertools.product("ab", "cd", "ef"), columns=["x", "y", "z"])
    design = Design.of(table, ["x", "y", "z"], interactions=[["z", "x", "y"]])
    assert design.interactions == (("x", "y"), ("x", "z"), ("y", "z"), ("x", "y", "z"))
    assert len(design.columns) == 8
    assert np.linalg.matrix_rank(design.matrix(all_cells(design)).toarray()) == 8


@pytest.mark.parametrize(
    "other", ["Original ", "Original\N{NO-BREAK SPACE}", " Original", "\N{FULLWIDTH LATIN CAPITAL LETTER O}riginal"]
)
def test_levels_that_look_alike_are_refused_by_name(other: str) -> None:
    table = pd.DataFrame({"scenario": ["Original", other, "grey"]})
    with pytest.raises(ConfigError) as caught:
        Design.of(table, ["scenario"])
    assert repr("Original") in str(caught.value)
    assert repr(other) in str(caught.value)


@pytest.mark.parametrize(
    "alike", ["dog ", "dog\u00a0", "do\u200bg", "d\u043eg", "d\u03bfg", "\uff44og", "\u0501og", "dog\ufeff"]
)
def test_levels_that_look_alike_are_refused_with_their_codes(alike):
    with pytest.raises(ConfigError) as error:
        Factor.of(pd.Series(["dog", alike, "cat"], name="category"))
    assert ascii(alike) in str(error.value)


@pytest.mark.parametrize("other", ["Dog", "d\u00f6g", "dogs", "d-og"])
def test_levels_that_look_different_are_two(other):
    assert len(Factor.of(pd.Series(["dog", other], name="category")).levels) == 2


def test_dashes_and_quotes_of_word_processors_are_those_of_keyboards():
    for one, other in (("a-b", "a\u2013b"), ("a-b", "a\u2212b"), ("a-b", "a\u2011b"), ("a'b", "a\u2019b")):
        with pytest.raises(ConfigError):
            Factor.of(pd.Series([one, other], name="model"))


def test_levels_that_differ_in_capital_letters_are_noted():
    table = pd.DataFrame({"category": ["Dog", "dog"] * 4, "model": list("aabb") * 2, "accuracy": range(8)})
    fit = regression(table, factors=["model", "category"], unit="any")
    assert any("'Dog' and 'dog'" in note for note in fit.notes)
