"""A regression written as a folder of tables, figures and a record."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from xray.core.errors import ConfigError
from xray.core.files import delete_file, exists, is_folder, read_bytes, write_bytes
from xray.core.uri import join, to_uri
from xray.statistics.regression.glm import CountRegression
from xray.statistics.regression.mixed_model import MixedRegression
from xray.statistics.regression.result import Regression

if TYPE_CHECKING:
    from xray.statistics.regression.interpretation import Interpretation

_RECORD = "fit.json"
MADE_BY = "xray regress"
"""The value of `made_by` in the record."""


def files(
    fitted: Regression,
    cluster: str | None = None,
    binomial: CountRegression | None = None,
    mixed: MixedRegression | None = None,
) -> dict[str, bytes]:
    """Return the files of a written regression by name; `fit.json`, the record of all files, comes last.

    `cluster` is the column of the clusters; `binomial` and `mixed` are other regressions of the same table.
    """
    from xray.statistics.regression.diagnostics import diagnose
    from xray.statistics.regression.interpretation import interpret
    from xray.statistics.regression.tables_text import prism_table, safe_csv, to_latex, to_markdown

    frames = fitted.tables() | _other_tables(binomial, mixed)
    texts = {f"{name}.csv": safe_csv(frame) for name, frame in frames.items()}
    coefficients = prism_table(fitted.clustered or fitted.fit)
    texts |= {"table.md": to_markdown(coefficients), "table.tex": to_latex(coefficients)}
    reading = interpret(fitted)
    reading = replace(reading, caveats=(*reading.caveats, *fitted.notes))
    others = interpretations(binomial, mixed).items()
    texts["reading.md"] = "\n".join([_markdown(reading), *(f"## {name}\n\n{_markdown(text)}" for name, text in others)])
    texts |= {"diagnostics.json": _json(diagnose(fitted).as_dict())}
    contents = {name: text.encode() for name, text in texts.items()}
    contents |= dict(_figures(fitted, frames["marginal_means"]))
    return contents | {_RECORD: _json(_record(fitted, cluster, binomial, mixed, [*contents, _RECORD])).encode()}


def interpretations(binomial: CountRegression | None, mixed: MixedRegression | None) -> dict[str, Interpretation]:
    """Return the interpretations of the other regressions of a table by their name."""
    from xray.statistics.regression.interpretation import interpret_binomial, interpret_mixed

    texts = {"binomial regression": interpret_binomial(binomial)} if binomial else {}
    return texts | ({"mixed model": interpret_mixed(mixed)} if mixed else {})


def _markdown(reading: Interpretation) -> str:
    from xray.statistics.regression.tables_text import markdown_text

    effects = [f"{number}. {markdown_text(sentence)}" for number, sentence in enumerate(reading.effects, 1)]
    return "\n".join([*effects, "", *(f"- {markdown_text(caveat)}" for caveat in reading.caveats), ""])


def _other_tables(binomial: CountRegression | None, mixed: MixedRegression | None) -> dict[str, pd.DataFrame]:
    tables: dict[str, pd.DataFrame] = {}
    if binomial:
        tables |= {"binomial": binomial.parameters, "odds_ratios": binomial.ratios}
        if binomial.clustered:
            tables["binomial_clustered"] = binomial.clustered.parameters
    return tables | ({"mixed": mixed.parameters} if mixed else {})


def write(contents: Mapping[str, bytes], folder: str, force: bool = False) -> None:
    """Write files into a folder, and delete the files of an earlier regression that are not among them.

    Raises:
        ConfigError: the folder is a file, or has a file of the same name that no earlier regression wrote, and not
            `force`.
    """
    uri = to_uri(folder)
    if exists(uri) and not is_folder(uri):
        raise ConfigError(f"{folder!r} is a file; --out names a folder")
    earlier = _earlier_files(uri)
    others = [name for name in contents if name not in earlier and exists(_file_uri(uri, name))]
    if others and not force:
        raise ConfigError(
            f"{folder!r} has {others[0]}, which is not of `{MADE_BY}`: use another folder, or --force to replace it"
        )
    for name, data in contents.items():
        write_bytes(_file_uri(uri, name), data)
    for name in earlier:
        if name not in contents and exists(_file_uri(uri, name)):
            delete_file(_file_uri(uri, name))


def _figures(fitted: Regression, means: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    from xray.report.figures import diagnostic_plots, forest, marginal_plot, svg_bytes

    yield "figures/effects.svg", svg_bytes(forest(fitted.clustered or fitted))
    for number, name in enumerate(fitted.design.names, 1):
        file_name = re.sub(r"\W+", "_", name, flags=re.ASCII)[:40].strip("_").lower()
        of_factor = means[means["factor"] == name]
        yield f"figures/means_{number}_{file_name}.svg", svg_bytes(marginal_plot(of_factor, name))
    if fitted.table is not None and not fitted.exact:
        yield "figures/diagnostics.svg", svg_bytes(diagnostic_plots(fitted))


def _record(
    fitted: Regression,
    cluster: str | None,
    binomial: CountRegression | None,
    mixed: MixedRegression | None,
    names: Sequence[str],
) -> dict[str, Any]:
    from xray.core.environment import environment

    design = fitted.design
    of_mixed = ("group", "groups", "icc", "group_variance", "residual_variance", "log_likelihood", "converged", "notes")
    measures = ("log_likelihood", "aic", "deviance", "null_deviance", "pearson_chi2", "dispersion", "notes")
    return {
        "made_by": MADE_BY, "files": list(names), "environment": environment(),
        "response": fitted.response, "unit": fitted.unit, "weights": fitted.weights, "cluster": cluster,
        "n": fitted.cells.rows, "confidence": fitted.fit.confidence, "method": fitted.fit.method,
        "errors": fitted.fit.errors, "clustered_errors": fitted.clustered and fitted.clustered.errors,
        "factors": [{"name": f.name, "reference": f.reference, "levels": list(f.levels)} for f in design.factors],
        "interactions": [list(term) for term in design.interactions],
        "goodness": fitted.goodness, "notes": list(fitted.notes),
        "binomial": binomial
        and {name: getattr(binomial, name) for name in measures} | {"errors": binomial.robust_fit.errors},
        "mixed": mixed and {name: getattr(mixed, name) for name in of_mixed},
    }  # fmt: skip


def _earlier_files(uri: str) -> list[str]:
    """Return the names of the files that an earlier regression wrote into the folder."""
    if not exists(join(uri, _RECORD)):
        return []
    try:
        record = json.loads(read_bytes(join(uri, _RECORD)))
    except ValueError:
        return []
    return list(record["files"]) if isinstance(record, dict) and record.get("made_by") == MADE_BY else []


def _file_uri(uri: str, name: str) -> str:
    return join(uri, *name.split("/"))


def _json(value: Any) -> str:
    return json.dumps(_without_nan(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    """Replace NaN and infinity by None, because JSON has neither."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
