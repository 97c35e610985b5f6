"""Arrow schemas of all tables in a run, and the codes of reasons.

Every field carries a description with its unit and range, which is stored in the Parquet files.
"""

from __future__ import annotations

import json

import pyarrow as pa

from xray.core.errors import Rejected
from xray.core.text import printable

OK, REJECTED, FAILED = "ok", "rejected", "failed"

REASONS = {
    # the file
    "missing_file": "the file does not exist",
    "empty_file": "the file has no bytes",
    "unreadable_file": "the file could not be read (permission or storage error)",
    "too_large": "the file has more bytes than `limits.max_bytes`, or more metadata than a decoder may read",
    "not_a_file": "a pipe, a socket or a device instead of a file",
    "link_outside": "a link that leads out of the folder of photographs, and is not followed without `follow_links`",
    "source_changed": "the file has changed since it was planned: its sha256 differs",
    "mask_changed": "the mask's file has changed since it was planned: its sha256 differs",
    # the image
    "unknown_format": "not an image format that xray reads (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC)",
    "corrupt_image": "the image data is damaged or truncated",
    "animated_image": "the image has more than one frame",
    "unsupported_depth": "sample values beyond 16 bits, or not integers",
    "too_many_pixels": "more pixels than `limits.max_pixels`, refused from the header",
    "too_small": "a side is shorter than `limits.min_side`",
    # accepted with a stated conversion (status ok)
    "converted_cmyk": "CMYK converted to RGB",
    "converted_16_bit": "16-bit grey scaled to 8 bits",
    "converted_palette": "palette image expanded to RGB",
    "flattened_alpha": "transparent image flattened on black",
    "rotated_by_exif": "turned upright according to its EXIF orientation",
    "wrong_extension": "the content has another format than the file name",
    # the mask
    "missing_mask": "the image has no mask",
    "corrupt_mask": "the mask cannot be read",
    "mask_ambiguous": "the mask has several values, and which of them is the object is not certain",
    "mask_wrong_size": "the mask does not have the size of the image",
    "mask_empty": "the mask marks no pixel",
    "mask_full": "the mask marks (almost) every pixel, so no background is left",
    "mask_too_small": "the mask marks less than `min_area` of the image, or only specks below `min_part`",
    "mask_too_many_parts": "the mask has more than `max_parts` parts",
    "mask_converted": "16-bit or transparent mask converted to one 8-bit channel",
    "mask_parts_left_out": "parts of the annotation without area were left out",
    "mask_resized": "mask scaled to the size of its image",
    "mask_rotated_by_exif": "mask turned upright together with its image",
    "missing_box": "the mask refiner needs a box, and none is given",
    "missing_hint": "the mask refiner needs a box, points or a coarse mask, and none is given",
    "nothing_detected": "the detector found no object for the phrase",
    "several_objects": "the detector found more than `max_instances` objects",
    "phrases_disagree": "the objects found for two phrases overlap by less than `agree`",
    "no_object": "the mask refiner found no object",
    "mask_uncertain": "the refiner's predicted IoU or stability is below `min_predicted_iou` or `min_stability`",
    "mask_disagrees": "the refined mask agrees with the given one by less than `min_agreement`",
    "mask_too_many_holes": "the mask has more than `max_holes` holes",
    "given_kept": "the refined mask was worse than the given one, which is used instead",
    # the inpainted image
    "too_small_to_paint": "a side is shorter than the inpainter's `min_side`",
    "prompt_truncated": "the prompt exceeds the limit of the model's tokenizer and was truncated",
    "nsfw": "the safety checker refused the image",
    "blank_picture": "the inpainted background is black, or of a single colour",
    "object_repeated": "the inpainted background shows another object of the category",
    "object_extended": "the object extends into the inpainted background",
    "prompt_missed": "the CLIP similarity of image and prompt is below `min_prompt_similarity`",
    "category_missed": "the CLIP similarity of image and category is below `min_category_similarity`",
    # the edited image
    "removal_failed": "the remover could not fill the area of the object",
    "background_too_small": "too little background is left to fill the area of the object from",
    "object_leaves_frame": "less of the placed object than `min_visible` would be inside the frame",
    "object_does_not_fit": "the object cannot be placed so: it is too large or small, or cut by the frame on that side",
    "object_cut": "the frame cuts the placed object",
    "already_there": "the object already is as requested (its size within 2 %)",
    # the program
    "error": "xray or a library failed in an unexpected way, which the detail names; tried again by the next run",
    # the request
    "several_categories": "the labels name several categories, and which of them is meant is not certain",
    "duplicate_id": "an earlier row has the same id",
    "no_donor": "there is no background photograph that the scenario can take",
    "donor_unusable": "the background photograph cannot be used",
}
"""The codes in the `reason` of a row, with their meaning."""

_BOX, _POINT = pa.list_(pa.float32()), pa.list_(pa.float32())
_DONOR = pa.struct([("donor_id", pa.string()), ("uri", pa.string()), ("sha256", pa.string())])
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _field(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})


def _feature(kind: pa.DataType) -> dict[str, str]:
    if kind == IMAGE:
        return {"_type": "Image"}
    return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


def _with_image_features(schema: pa.Schema) -> pa.Schema:
    """Mark image columns for Hugging Face `datasets`, so that `load_dataset` decodes them."""
    features = {field.name: _feature(field.type) for field in schema}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


_STATUS = [
    _field("status", pa.string(), "ok | rejected | failed"),
    _field("reason", pa.string(), "a code of REASONS, several joined by a space; empty if there is nothing to say"),
    _field("detail", pa.string(), "of a rejection: sizes, values or names that were seen; null if none", nullable=True),
]
_CREDIT = _field("credit", pa.string(), "author of the photograph, and its source; null: unknown", nullable=True)

SOURCE = pa.schema(
    [
        _field("image_id", pa.string(), "unique and stable: readable stem and a hash of the path or key"),
        _field("category", pa.string(), "name of a category of the recipe"),
        _field("uri", pa.string(), "where the photograph's bytes are; percent-encoded"),
        _field("sha256", pa.string(), "of the photograph's bytes, hexadecimal; empty if unreadable"),
        _field("width", pa.int32(), "pixels, upright (after EXIF); 0 if unreadable"),
        _field("height", pa.int32(), "pixels, upright (after EXIF); 0 if unreadable"),
        _field("mask_uri", pa.string(), "where the mask is; null: none, or from the alpha channel", nullable=True),
        _field("mask_sha256", pa.string(), "of the mask's bytes; null: none, or unreadable", nullable=True),
        _field("boxes", pa.list_(_BOX), "one an object: x0, y0, x1, y1 in upright pixels, x1 and y1 exclusive"),
        _field("points", pa.list_(_POINT), "x, y in upright pixels; 1 on the object, 0 beside it"),
        _field("place", pa.string(), "what the background is, where that is known", nullable=True),
        _field("split", pa.string(), "train | val | test | unknown: have pretrained models seen it?"),
        _field("licence", pa.string(), "of the photograph"),
        _field("mask_from", pa.string(), "unit of an earlier plan that has the same mask", nullable=True),
        *_STATUS,
        _field("removed_from", pa.string(), "unit of an earlier plan that has the same row of REMOVED", nullable=True),
        _field("perceptual_hash", pa.binary(), "32 bytes, alike in near-duplicates; null: unknown", nullable=True),
        _field("group", pa.string(), "name of those that belong together, as `groups` says; null: none", nullable=True),
        _CREDIT,
    ]
)

BACKGROUNDS = pa.schema(
    [
        _field("donor_id", pa.string(), "unique in the bank"),
        _field("uri", pa.string(), "where the background photograph is; percent-encoded"),
        _field("sha256", pa.string(), "of its bytes, hexadecimal"),
        _field("width", pa.int32(), "pixels, upright"),
        _field("height", pa.int32(), "pixels, upright"),
        _field("category", pa.string(), "of the object in it; null: none of the recipe's", nullable=True),
        _field("place", pa.string(), "the place it shows", nullable=True),
        _field("licence", pa.string(), "of the photograph"),
        _field("complexity", pa.float32(), "mean |FFT| at 256 × 256 pixels; null: no scenario asks", nullable=True),
        _CREDIT,
    ]
)

PLAN = pa.schema(
    [
        _field("sample_id", pa.string(), "unique: a hash of (image_id, scenario, variant)"),
        _field("shard", pa.string(), "the unit of work that makes it"),
        _field("image_id", pa.string(), "of SOURCE"),
        _field("scenario", pa.string(), "the recipe's name of the scenario"),
        _field("variant", pa.int32(), "0 … variants - 1"),
        _field("seed", pa.int64(), "decides all that is random in the row; 0 … 2^63 - 1"),
        _field("prompt", pa.string(), "for scenarios that paint: the world around the object", nullable=True),
        _field(
            "place", pa.string(), "typical | atypical | any: how the prompt's place suits the category", nullable=True
        ),
        _field("donor_id", pa.string(), "of BACKGROUNDS, for scenarios that need one", nullable=True),
        _field("donor_uri", pa.string(), "where the donor is", nullable=True),
        _field("donor_sha256", pa.string(), "of the donor's bytes", nullable=True),
        _field("settings", pa.string(), "of the scenario, as JSON"),
        _field("carried_from", pa.string(), "shard of an earlier plan that has the same image", nullable=True),
        _field("donor_spares", pa.list_(_DONOR), "used in order if the donor cannot be used", nullable=True),
    ]
)

MASKS = _with_image_features(
    pa.schema(
        [
            _field("image_id", pa.string(), "of SOURCE"),
            _field("mask", IMAGE, "PNG, one channel: 255 on the object, 0 elsewhere", nullable=True),
            _field("origin", pa.string(), "given | alpha | grabcut | sam"),
            _field("predicted_iou", pa.float32(), "the refiner's own estimate", nullable=True),
            _field("stability", pa.float32(), "the refiner's stability score, 0 … 1", nullable=True),
            _field("area", pa.float32(), "share of the image that the mask covers, 0 … 1", nullable=True),
            _field("parts", pa.int32(), "connected parts of more than `min_part` of the image", nullable=True),
            _field("holes", pa.int32(), "enclosed holes of more than `min_part` of the image", nullable=True),
            _field(
                "agreement",
                pa.float32(),
                "IoU with the given mask, 0 … 1; of drawn boxes only what it has of them counts",
                nullable=True,
            ),
            _field("detection", pa.string(), "JSON: phrases, boxes, scores, instances; null: no text", nullable=True),
            *_STATUS,
        ]
    )
)

REMOVED = _with_image_features(
    pa.schema(
        [
            _field("image_id", pa.string(), "of SOURCE"),
            _field("patch", IMAGE, "PNG, RGBA: opaque where it replaces the photograph's pixels", nullable=True),
            _field("x", pa.int32(), "column of the patch's left edge in the upright photograph"),
            _field("y", pa.int32(), "row of the patch's upper edge in the upright photograph"),
            _field("remover", pa.string(), "kind of the remover"),
            _field("area", pa.float32(), "share of the photograph that is replaced, 0 … 1", nullable=True),
            *_STATUS,
        ]
    )
)

IMAGES = _with_image_features(
    pa.schema(
        [
            _field("sample_id", pa.string(), "of PLAN"),
            _field("image_id", pa.string(), "of SOURCE"),
            _field("category", pa.string(), "of the object"),
            _field("scenario", pa.string(), "the recipe's name of the scenario"),
            _field("variant", pa.int32(), "0 … variants - 1"),
            _field(
                "image", IMAGE, "JPEG, or PNG where transparent; null unless ok or refused by the filter", nullable=True
            ),
            _field(
                "mask",
                IMAGE,
                "where the object is in this image: PNG, 255 on it; null where there is no image",
                nullable=True,
            ),
            _field("provenance", pa.string(), "JSON: settings, drawn values, donor, prompt, weights, mask origin"),
            _field("sha256", pa.string(), "of the image's bytes, hexadecimal; null where there is none", nullable=True),
            _field("donor_category", pa.string(), "of the object in the donor's photograph; null: none", nullable=True),
            *_STATUS,
        ]
    )
)

PREDICTIONS = pa.schema(
    [
        _field("sample_id", pa.string(), "of IMAGES"),
        _field("image_id", pa.string(), "of SOURCE: rows of one photograph are not independent"),
        _field("category", pa.string(), "of the object"),
        _field("scenario", pa.string(), "what the model was tested on"),
        _field("variant", pa.int32(), "0 … variants - 1"),
        _field("model", pa.string(), "its name in the run"),
        _field("weights", pa.string(), "sha256 over names and values of all weights, hexadecimal"),
        _field("trained_on", pa.string(), "a scenario, or 'pretrained'"),
        _field("fold", pa.int32(), "of cross-validation; -1: none"),
        _field("top1", pa.int32(), "the most probable class: ImageNet-1k's index; of trained models, its place"),
        _field("top5", pa.list_(pa.int32()), "the five most probable classes (or all, if fewer), best first"),
        _field("p_true", pa.float32(), "probability of all accepted classes together, 0 … 1"),
        _field("correct", pa.bool_(), "top1 is accepted; of segmenters, IoU ≥ 0.5"),
        _field("intersection", pa.int64(), "of segmenters: pixels of the object given its category", nullable=True),
        _field("union", pa.int64(), "of segmenters: pixels of the object, or given its category", nullable=True),
        _field("pixel_accuracy", pa.float32(), "of segmenters: share of right pixels, 0 … 1", nullable=True),
        _field("donor_category", pa.string(), "of IMAGES", nullable=True),
        _field("names_donor", pa.bool_(), "top1 is accepted for the donor's category; null: no such", nullable=True),
        _field("repeat", pa.int32(), "of the training, 0 …; null: pretrained, or 0", nullable=True),
    ]
)

FEATURES = pa.schema(
    [
        _field("sample_id", pa.string(), "of IMAGES"),
        _field("model", pa.string(), "its name in the run"),
        _field("weights", pa.string(), "sha256 over names and values of all weights, hexadecimal"),
        _field("features", pa.list_(pa.float32()), "the input of its last layer, as many numbers for every image"),
    ]
)

FOLDS = pa.schema(
    [
        _field("image_id", pa.string(), "of SOURCE, usable ones"),
        _field("category", pa.string(), "of the object"),
        _field("fold", pa.int32(), "in which it is tested: 0 … folds - 1; of a plain split 0, or -1: never"),
    ]
)

HISTORY = pa.schema(
    [
        _field("model", pa.string(), "its name in the run"),
        _field("trained_on", pa.string(), "a scenario"),
        _field("fold", pa.int32(), "that it is tested on"),
        _field("epoch", pa.int32(), "0 …"),
        _field("learning_rate", pa.float64(), "in its first step"),
        _field("train_loss", pa.float64(), "mean over its training images, while the weights change"),
        _field("train_score", pa.float64(), "of `metric` likewise, 0 … 1"),
        _field("validation_loss", pa.float64(), "mean over its validation images, at its end"),
        _field("validation_score", pa.float64(), "of `metric` likewise, 0 … 1"),
        _field("metric", pa.string(), "top1 | miou"),
        _field("validation_dice", pa.float64(), "of segmenters, 0 … 1", nullable=True),
        _field("validation_pixel_accuracy", pa.float64(), "of segmenters, 0 … 1", nullable=True),
        _field("images", pa.int64(), "that were trained on"),
        _field("seconds", pa.float64(), "that it took"),
        _field("repeat", pa.int32(), "of the training, 0 …; null: 0", nullable=True),
    ]
)

SCORES = pa.schema(
    [
        _field("model", pa.string(), "its name in the run"),
        _field("trained_on", pa.string(), "a scenario, or 'pretrained'"),
        _field("tested_on", pa.string(), "a scenario"),
        _field("category", pa.string(), "of the objects"),
        _field("fold", pa.int32(), "of cross-validation; -1: none"),
        _field("n", pa.int64(), "predictions"),
        _field("correct", pa.int64(), "right ones among them"),
        _field("accuracy", pa.float64(), "correct / n, 0 … 1"),
    ]
)

_TRIED_AGAIN = {"missing_file", "unreadable_file", "error"}
_MAX_DETAIL = 400
"""Characters."""
FILTERED = frozenset({
    "nsfw", "blank_picture", "object_repeated", "object_extended", "prompt_missed", "category_missed"
})  # fmt: skip
"""Reasons of the filter for refusing inpainted images."""
EXPECTED = FILTERED | {"object_leaves_frame", "object_does_not_fit"}
"""Reasons that say nothing bad about files: some objects fit no other size or position. They are no bad rows."""


def status_of(reason: str) -> str:
    """Return the status of a reason: `failed` if the next run tries again, `rejected` otherwise.

    >>> status_of("unreadable_file"), status_of("mask_empty")
    ('failed', 'rejected')
    """
    return FAILED if reason in _TRIED_AGAIN else REJECTED


def outcome_of(verdict: Rejected) -> dict[str, str | None]:
    """Return the columns `status`, `reason` and `detail` of a row that cannot be made.

    >>> outcome_of(Rejected("mask_wrong_size", "mask 120×90, image 240×180"))
    {'status': 'rejected', 'reason': 'mask_wrong_size', 'detail': 'mask 120×90, image 240×180'}
    """
    detail = printable(verdict.detail, _MAX_DETAIL) or None
    return {"status": status_of(verdict.reason), "reason": verdict.reason, "detail": detail}
