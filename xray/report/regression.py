"""xray.report.regression."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from xray.core.errors import XrayError
from xray.core.files import delete_file, exists, is_folder, read_bytes, write_bytes
from xray.core.uri import join, to_uri
from xray.statistics.regression.glm import CountRegression
from xray.statistics.regression.least_squares import Regression

_RECORD = "fit.json"


def files(fitted: Regression, cluster: str | None = None, beside: CountRegression | None = None) -> dict[str, bytes]:
    """Everything that is written of a regression, by its name in the folder; `fit.json` comes last.

    Args:
        fitted: the regression.
        cluster: column of the clusters, if there were any.
        beside: a binomial regression.
    """
    from xray.statistics.regression.diagnostics import diagnose
    from xray.statistics.regression.interpretation import reading
    from xray.statistics.regression.tables import tables
    from xray.statistics.regression.tables_text import markdown_text, prism_table, safe_csv, to_latex, to_markdown

    made = tables(fitted) | ({"binomial": beside.parameters, "odds_ratios": beside.ratios} if beside else {})
    printed = prism_table(fitted.clustered or fitted.fit)
    written = {f"{name}.csv": safe_csv(table) for name, table in made.items()}
    written |= {"table.md": to_markdown(printed), "table.tex": to_latex(printed)}
    said = reading(fitted)
    remarks = [f"- {markdown_text(remark)}" for remark in (*said.caveats, *fitted.notes)]
    sentences = [f"{place}. {markdown_text(sentence)}" for place, sentence in enumerate(said.effects, 1)]
    written |= {"reading.md": "\n".join([*sentences, "", *remarks, ""])}
    written |= {"diagnostics.json": _json(diagnose(fitted).as_dict())}
    found = {name: text.encode() for name, text in written.items()} | dict(_figures(fitted, made["marginal_means"]))
    return found | {_RECORD: _json(_record(fitted, cluster, beside, [*found, _RECORD])).encode()}


def write(made: Mapping[str, bytes], folder: str, force: bool = False) -> None:
    """Write files into a folder; those that an earlier regression wrote there are replaced, or go if they are stale.

    Args:
        made: as `files` gives them.
        folder: path or URI.
        force: replace files of the same names that are not of an earlier regression, too.

    Raises:
        XrayError: such a file is there, and is not to be replaced; or the folder is a file.
    """
    uri = to_uri(folder)
    if exists(uri) and not is_folder(uri):
        raise XrayError(f"{folder!r} is a file; --out names a folder")
    before = _earlier(uri)
    foreign = [name for name in made if name not in before and exists(_below(uri, name))]
    if foreign and not force:
        raise XrayError(f"{folder!r} has {foreign[0]}, which is not of `{MADE_BY}`: name another folder, or --force")
    for name, data in made.items():
        write_bytes(_below(uri, name), data)
    for name in before:
        if name not in made and exists(_below(uri, name)):
            delete_file(_below(uri, name))


def _figures(fitted: Regression, means: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    from xray.report.figures import diagnostic_plots, forest, marginal_plot, svg_bytes

    yield "figures/effects.svg", svg_bytes(forest(fitted.clustered or fitted))
    for place, name in enumerate(fitted.design.names, 1):
        tame = re.sub(r"\W+", "_", name, flags=re.ASCII)[:40].strip("_").lower()
        of_factor = means[means["factor"] == name]
        yield f"figures/means_{place}_{tame}.svg", svg_bytes(marginal_plot(of_factor, name))
    if fitted.table is not None and not fitted.exact:
        yield "figures/diagnostics.svg", svg_bytes(diagnostic_plots(fitted))


def _record(
    fitted: Regression, cluster: str | None, beside: CountRegression | None, names: Sequence[str]
) -> dict[str, Any]:
    from xray.core.environment import environment

    design = fitted.design
    counted = ("log_likelihood", "aic", "deviance", "null_deviance", "pearson_chi2", "dispersion", "notes")
    return {
        "made_by": MADE_BY, "files": list(names), "environment": environment(),
        "response": fitted.response, "unit": fitted.unit, "weights": fitted.weights, "cluster": cluster,
        "n": fitted.cells.rows, "confidence": fitted.fit.confidence, "method": fitted.fit.method,
        "errors": fitted.fit.errors, "clustered_errors": fitted.clustered and fitted.clustered.errors,
        "factors": [{"name": f.name, "reference": f.reference, "levels": list(f.levels)} for f in design.factors],
        "interactions": [list(term) for term in design.interactions],
        "goodness": fitted.goodness, "notes": list(fitted.notes),
        "binomial": beside and {name: getattr(beside, name) for name in counted},
    }  # fmt: skip


def _earlier(uri: str) -> list[str]:
    """Files that an earlier regression wrote into the folder."""
    if not exists(join(uri, _RECORD)):
        return []
    try:
        record = json.loads(read_bytes(join(uri, _RECORD)))
    except ValueError:
        return []
    return list(record["files"]) if isinstance(record, dict) and record.get("made_by") == MADE_BY else []


def _below(uri: str, name: str) -> str:
    return join(uri, *name.split("/"))


def _json(value: Any) -> str:
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """JSON knows no NaN and no infinity: they become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


MADE_BY = "xray regress"
