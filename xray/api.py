"""What notebooks use: a run as `xray.open` gives it, and the steps of a run as functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from xray.runs.folder import RunFolder
from xray.runs.tables import RunTables

if TYPE_CHECKING:
    from xray.pipeline.plan.survey import Survey
    from xray.pipeline.regress import Rows
    from xray.runs.recipe import Recipe
    from xray.statistics.regression.glm import CountRegression
    from xray.statistics.regression.mixed_model import MixedRegression
    from xray.statistics.regression.result import Regression
    from xray.statistics.regression.validation import Missing


class RegressionOptions(TypedDict, total=False):
    """The options that all regressions of a run share; see `Run.regression`."""

    interactions: Sequence[Sequence[str]]
    confidence: float
    missing: Missing


class Run(RunTables):
    """A run at a URI, local or in an object store: its tables as data frames, and regressions of them.

    Nothing here changes the run; the commands and `xray.pipeline` do.

    Args:
        uri: path or URI of a run's folder.
        trust: whether plug-ins that the run names may be imported, which runs their code. Without it, a run with
            plug-ins of its own shows its tables; what needs a plug-in is refused, unless you have imported it.
    """

    def __init__(self, uri: str, *, trust: bool = False) -> None:
        super().__init__(RunFolder(uri, trust=trust))

    def __repr__(self) -> str:
        return f"Run({self.uri!r})"

    def regression(
        self,
        reference: Mapping[str, object] | None = None,
        factors: Sequence[str] | None = None,
        response: str = "accuracy",
        rows: Rows = "cells",
        cluster: str | None = None,
        *,
        weights: str | None = None,
        **options: Unpack[RegressionOptions],
    ) -> Regression:
        """Regress accuracy on model, scenario and category; the result displays itself in a notebook.

        Models count if they are pretrained or trained on the original; scenarios without the object are left out.

        Args:
            reference: level that the others of a factor are compared with, by factor; of the scenario the original.
            factors: columns of `predictions()` or `factors()`; default: those of model, scenario, category that vary.
            response: `accuracy`, or `p_true`.
            rows: `cells`, one row per combination of the factors, equally weighted, as published; or `predictions`, one
                row each, with standard errors clustered by photograph.
            cluster: column that identifies dependent rows; of predictions `image_id`, or `group` if photographs belong
                together.
            weights: `n`, to weight cells by their number of predictions.
            options: `interactions`, pairs of factors (default: none); `confidence` of the intervals, between 0 and 1
                (0.95); `missing`: `drop` leaves out rows with an empty factor, such as prompts of what is not
                inpainted (`error`).

        Raises:
            ConfigError: as `xray.statistics.regression`, or there are no such predictions.
        """
        from xray.pipeline.regress import RegressionSpec, regress_run

        spec = RegressionSpec(response, factors, reference or {}, weights=weights, cluster=cluster, **options)
        return regress_run(self._folder, spec, rows)

    def binomial_regression(
        self,
        reference: Mapping[str, object] | None = None,
        factors: Sequence[str] | None = None,
        rows: Rows = "predictions",
        cluster: str | None = None,
        **options: Unpack[RegressionOptions],
    ) -> CountRegression:
        """Regress the log odds of a correct prediction, so that fitted accuracies stay between 0 and 1.

        Arguments are those of `regression`. Standard errors of predictions are clustered by photograph, see
        `CountRegression.clustered`; those of cells treat all predictions as independent.

        Raises:
            ConfigError: as `xray.statistics.regression.glm.binomial`, or there are no such predictions.
        """
        from xray.pipeline.regress import RegressionSpec, regress_run_binomial

        spec = RegressionSpec(factors=factors, reference=reference or {}, cluster=cluster, **options)
        return regress_run_binomial(self._folder, spec, rows)

    def mixed_regression(
        self,
        reference: Mapping[str, object] | None = None,
        factors: Sequence[str] | None = None,
        response: str = "accuracy",
        group: str | None = None,
        **options: Unpack[RegressionOptions],
    ) -> MixedRegression:
        """Regress predictions with a random intercept for each photograph, or each value of the column `group`.

        Other arguments are those of `regression`. `MixedRegression.icc` is the share of the variance that the
        factors leave which is between photographs.

        Raises:
            ConfigError: as `xray.statistics.regression.mixed_model.mixed`, or there are no such predictions.
        """
        from xray.pipeline.regress import RegressionSpec, regress_run_mixed

        spec = RegressionSpec(response, factors, reference or {}, cluster=group, **options)
        return regress_run_mixed(self._folder, spec)


def open_run(uri: str, *, trust: bool = False) -> Run:
    """Open an existing run; see `Run`.

    Raises:
        XrayError: there is no run at `uri`.
    """
    RunFolder.open(uri)
    return Run(uri, trust=trust)


def survey(recipe: Recipe, run: Run | None = None) -> Survey:
    """Look at every photograph of a recipe's source; see `xray.pipeline.plan.survey.survey`."""
    from xray.pipeline.plan.survey import survey as survey_folder

    return survey_folder(recipe, run._folder if run else None)


def write_plan(run: Run, recipe: Recipe, found: Survey) -> None:
    """Plan what a run lacks; see `xray.pipeline.plan.plan.write_plan`."""
    from xray.pipeline.plan.plan import write_plan as write_folder_plan

    write_folder_plan(run._folder, recipe, found)


def write_report(run: Run) -> str:
    """Write `report.html` into a run, and return its URI."""
    from xray.report import write_report as write_folder_report

    return write_folder_report(run._folder)
