from __future__ import annotations

from typing import Any

import pytest

from xray.sources.labels.label_studio import is_label_studio, labels_of_result, tasks_of

FOX, CELLO = ({"value": {"polygonlabels": [name], "points": [[1, 1]]}} for name in ("red fox", "cello"))
REGION = {"original_width": 4, "original_height": 4, "points": [[1, 1]]}


def annotation(result: Any, **settings: Any) -> dict[str, Any]:
    return {"result": [result], **settings}


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [
        ([annotation(FOX), annotation(CELLO, was_cancelled=True)], ["red fox"]),
        ([annotation(FOX, ground_truth=True), annotation(CELLO)], ["red fox"]),
        ([annotation(CELLO), annotation(FOX)], ["red fox"]),
        ([annotation(FOX, was_cancelled=True)], []),
        ([annotation({"value": {"choices": ["red fox"]}})], ["red fox"]),
        ([], []),
        (None, []),
    ],
)
def test_one_annotation_of_a_task_counts(annotations: Any, labels: list[str]) -> None:
    record = {"data": {"text": "a fox", "image": "1.jpg"}, "annotations": annotations, "predictions": [{"result": []}]}
    (task,) = tasks_of([record])
    assert task.image == "1.jpg"
    assert [label for result in task.results for label in labels_of_result(result)] == labels


def test_json_min_has_a_record_per_annotation_and_the_last_counts() -> None:
    records = [
        {"image": "1.jpg", "label": [{**REGION, "polygonlabels": ["cello"]}], "annotator": 1},
        {"image": "2.jpg", "label": [{**REGION, "polygonlabels": ["cello"]}], "annotator": 1},
        {"image": "1.jpg", "label": [{**REGION, "polygonlabels": ["red fox"]}], "annotator": 2},
    ]
    assert is_label_studio(records)
    assert not is_label_studio([{"image": "1.jpg", "label": ["cello"]}])
    tasks = tasks_of(records)
    assert [(one.image, one.annotations, one.results[0]["polygonlabels"]) for one in tasks] == [
        ("1.jpg", 2, ["red fox"]),
        ("2.jpg", 1, ["cello"]),
    ]
