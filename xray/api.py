"""What `xray.open` gives: a run as notebooks see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from xray.runs import run

if TYPE_CHECKING:
    from xray.pipeline.run_regression import Rows
    from xray.statistics.regression.least_squares import Regression
    from xray.statistics.regression.validation import Missing


class Run(run.Run):
    """A run at a URI, local or in an object store, with what notebooks ask of it."""

    def regression(
        self,
        reference: Mapping[str, object] | None = None,
        factors: Sequence[str] | None = None,
        response: str = "accuracy",
        rows: Rows = "cells",
        cluster: str | None = None,
        *,
        interactions: Sequence[Sequence[str]] = (),
        weights: str | None = None,
        confidence: float = 0.95,
        missing: Missing = "error",
    ) -> Regression:
        """Accuracy regressed on model, scenario and category: a least squares fit that shows itself in a notebook.

        Of models that are pretrained, or trained on the original; without the scenarios that take the object away.

        Args:
            reference: level of a factor that the others are compared with; the scenario's is the original.
            factors: columns of `predictions()` or `factors()`; default: what varies of model, scenario, category.
            response: `accuracy`, or `p_true`.
            rows: `cells`, one row a combination of the factors, each counting once, as it is published; or
                `predictions`, one row each, with errors clustered by photograph.
            cluster: column of what makes rows alike; of predictions `image_id`.
            interactions: of factors, by name.
            weights: `n`, to weigh cells by their predictions.
            confidence: of the intervals.
            missing: `drop` leaves rows out in which a factor is empty, as prompts are of what is not painted.

        Raises:
            XrayError: as `xray.statistics.regression`; or there are no such predictions.
        """
        from xray.pipeline.run_regression import run_regression

        return run_regression(
            self, reference, factors, response, rows, cluster, interactions, weights, confidence, missing
        )
