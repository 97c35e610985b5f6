from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_sam import TINY

from xray.core.device import DeviceModel
from xray.core.errors import Rejected
from xray.core.images import Decoded, decode
from xray.core.plugins import build
from xray.masks import Hint, Refined, Refiner, Unrefined, iou
from xray.masks.sam.refiner import Offered, Sam, SamOnDevice, read_network
from xray.masks.sam.selection import Chosen, choose, unite
from xray.sources.base import Box


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3)).astype(np.uint8)


def asked(image: np.ndarray, hint: Hint) -> Unrefined:
    return Unrefined(Decoded(image, None, ()), hint, 0)


def offered(model: SamOnDevice, item: Unrefined) -> Offered:
    (found,) = model.run([model.prepare(item)])
    return found


def refined(model: DeviceModel[Unrefined, Refined], image: np.ndarray, hint: Hint) -> Refined:
    item = asked(image, hint)
    (raw,) = model.run([model.prepare(item)])
    return model.finish(item, raw)


@pytest.fixture(scope="module")
def meta(sam_checkpoint: Path) -> SamOnDevice:
    return Sam(model=str(sam_checkpoint)).load("cpu")


@pytest.fixture(scope="module")
def predictor(sam_checkpoint: Path) -> Any:
    """segment_anything's own, with its modules put together as in its own builder."""
    from functools import partial

    import torch
    from segment_anything import SamPredictor
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
    from segment_anything.modeling import Sam as Module

    frame = {"embed_dim": 32, "depth": 2, "num_heads": 2, "img_size": 128, "patch_size": 16, "mlp_ratio": 2}
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    encoder = ImageEncoderViT(
        **frame, norm_layer=norm, use_rel_pos=True, global_attn_indexes=(1,), window_size=3, out_chans=32
    )
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, num_heads=8, mlp_dim=64)
    decoder = MaskDecoder(transformer_dim=32, transformer=transformer, iou_head_hidden_dim=32)
    module = Module(encoder, PromptEncoder(32, (8, 8), (128, 128), 16), decoder)
    module.load_state_dict(torch.load(sam_checkpoint, weights_only=True))
    return SamPredictor(module.eval())


BOX: Box = (20.0, 10.5, 71.0, 80.0)
IMAGES = {"wide": noise(90, 141), "high": noise(300, 77), "square": noise(128, 128), "small": noise(33, 40)}


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("multimask", [True, False])
def test_equals_segment_anythings_own_predictor_bit_for_bit(
    sam_checkpoint: Path, predictor: Any, name: str, multimask: bool
) -> None:
    model, image = Sam(model=str(sam_checkpoint), multimask=multimask).load("cpu"), IMAGES[name]
    box: Box = (3.0, 10.5, 30.0, 29.0)
    on, beside = (12.0, 20.0), (4.0, 11.0)
    predictor.set_image(image)
    for hint, arguments, ambiguous in (
        (Hint(boxes=(box,)), {"box": np.array(box)}, True),
        (
            Hint(boxes=(box,), points=((*on, True), (*beside, False))),
            {"box": np.array(box), "point_coords": np.array([on, beside]), "point_labels": np.array([1, 0])},
            False,
        ),
        (
            Hint(boxes=(box,), points=((*on, True),)),
            {"box": np.array(box), "point_coords": np.array([on]), "point_labels": np.array([1])},
            False,
        ),
        (Hint(points=((*on, True),)), {"point_coords": np.array([on]), "point_labels": np.array([1])}, True),
        (
            Hint(points=((*on, True), (*beside, False))),
            {"point_coords": np.array([on, beside]), "point_labels": np.array([1, 0])},
            False,
        ),
    ):
        masks, predicted, low = predictor.predict(**arguments, multimask_output=multimask and ambiguous)
        item = asked(image, hint)
        raw = offered(model, item)
        ((logits, estimates),) = raw.masks
        assert len(masks) == (3 if multimask and ambiguous else 1)
        assert (logits.numpy() == low).all()
        assert (estimates.numpy() == predicted).all()
        found = model.finish(item, raw)
        best = int(np.argmax(np.clip(predicted, 0, 1)))
        assert (found.mask == masks[best]).all()
        assert found.predicted_iou == np.clip(predicted[best], 0, 1)
        assert found.origin == "sam"
        assert found.agreement is None


def test_several_objects_equal_the_predictors_batch_and_are_encoded_once(meta: SamOnDevice, predictor: Any) -> None:
    import torch

    image = IMAGES["wide"]
    boxes = (BOX, (2.0, 3.0, 40.0, 50.0), (90.0, 30.0, 140.0, 60.0))
    predictor.set_image(image)
    placed = torch.tensor(predictor.transform.apply_boxes(np.array(boxes), image.shape[:2]), dtype=torch.float)
    logits, predicted, low = predictor.predict_torch(None, None, placed, return_logits=True)
    encoded: list[int] = []
    encoder = meta._network._sam.image_encoder  # type: ignore[attr-defined]
    with encoder.register_forward_hook(lambda module, given, made: encoded.append(len(made))):
        item = asked(image, Hint(boxes=boxes))
        raw = offered(meta, item)
    assert encoded == [1]
    for (mine, estimates), theirs, wanted in zip(raw.masks, low, predicted, strict=True):
        assert (mine == theirs).all()
        assert (estimates == wanted).all()
    found = meta.finish(item, raw)
    objects = [choose(a.numpy(), b.tolist(), None) for a, b in zip(logits, predicted, strict=True)]
    expected = unite(objects)
    assert (found.mask == (objects[0].mask | objects[1].mask | objects[2].mask)).all()
    assert (found.predicted_iou, found.stability) == (expected.predicted_iou, expected.stability)


def test_equals_the_predictor_on_photographs(meta: SamOnDevice, predictor: Any, photos12: Path) -> None:
    photos = sorted((photos12 / "images").rglob("*.JPEG"))[::12][:3]
    assert len(photos) == 3
    for path in photos:
        image = decode(path.read_bytes()).image
        height, width = image.shape[:2]
        box: Box = (width * 0.2, height * 0.25, width * 0.9, height * 0.75)
        predictor.set_image(image)
        masks, predicted, _ = predictor.predict(box=np.array(box))
        found = refined(meta, image, Hint(boxes=(box,)))
        assert (found.mask == masks[int(np.argmax(predicted))]).all()


def test_objects_asked_in_different_ways_do_not_change_each_other(meta: SamOnDevice) -> None:
    image, other = IMAGES["wide"], (90.0, 30.0, 140.0, 60.0)
    alone = [
        Hint(boxes=(BOX,), points=((30, 40, True),)),
        Hint(boxes=(other,)),
        Hint(points=((1, 88, True),)),
    ]
    together = Hint(boxes=(BOX, other), points=((30, 40, True), (1, 88, True)))
    found = offered(meta, asked(image, together)).masks
    for (logits, predicted), hint in zip(found, alone, strict=True):
        ((expected, estimates),) = offered(meta, asked(image, hint)).masks
        assert (logits == expected).all()
        assert (predicted == estimates).all()


def test_hundreds_of_objects_are_decoded_in_their_order(meta: SamOnDevice) -> None:
    boxes = tuple((float(k), 5.0, float(k + 10), 40.0) for k in range(100))
    found = offered(meta, asked(IMAGES["wide"], Hint(boxes=boxes))).masks
    assert len(found) == 100
    for index in (0, 63, 64, 99):
        ((logits, _),) = offered(meta, asked(IMAGES["wide"], Hint(boxes=(boxes[index],)))).masks
        np.testing.assert_allclose(found[index][0], logits, atol=1e-4)


def by_hand(
    folder: Path, image: np.ndarray, multimask: bool, prompts: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Full-size masks (K, C, H, W), estimates (K, C) and small logits, of transformers' own model and processor."""
    import torch
    from transformers import Sam2Model, Sam2Processor, SamModel, SamProcessor

    two = "sam2" in folder.name
    model = (Sam2Model if two else SamModel).from_pretrained(folder)
    processor = (Sam2Processor if two else SamProcessor).from_pretrained(folder)
    inputs = processor(images=image, return_tensors="pt", **prompts)
    with torch.no_grad():
        out = model(**inputs, multimask_output=multimask)
    sizes = [inputs[name] for name in ("original_sizes", "reshaped_input_sizes") if name in inputs]
    (masks,) = processor.post_process_masks(out.pred_masks, *sizes)
    return masks.numpy(), out.iou_scores[0].numpy(), out.pred_masks[0].numpy()


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("kind", ["sam_folder", "sam2_folder"])
def test_equals_transformers_called_by_hand(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(kind)
    model, image = Sam(model=str(folder)).load("cpu"), IMAGES[name]
    boxes = ((3.0, 10.5, 30.0, 29.0), (1.0, 2.0, 33.0, 14.25))
    points = ((12.0, 20.0, True), (30.0, 3.0, True))
    nested = {"input_boxes": [[list(box) for box in boxes]]}
    with_points = {"input_points": [[[[12.0, 20.0]], [[30.0, 3.0]]]], "input_labels": [[[1], [1]]]}
    only_points = {"input_points": [[[[12.0, 20.0], [30.0, 3.0]]]], "input_labels": [[[1, 1]]]}
    one_point = {"input_points": [[[[12.0, 20.0]]]], "input_labels": [[[1]]]}
    for hint, prompts, ambiguous in (
        (Hint(boxes=boxes), nested, kind == "sam_folder"),  # to SAM 2 a box is two points
        (Hint(boxes=boxes, points=points), nested | with_points, False),
        (Hint(points=points), only_points, False),
        (Hint(points=points[:1]), one_point, True),
    ):
        masks, predicted, low = by_hand(folder, image, ambiguous, prompts)
        item = asked(image, hint)
        raw = offered(model, item)
        assert [len(logits) for logits, _ in raw.masks] == [3 if ambiguous else 1] * len(low)
        for (logits, estimates), small, wanted in zip(raw.masks, low, predicted, strict=True):
            assert (logits.numpy() == small).all()
            assert (estimates.numpy() == wanted).all()
        expected = np.logical_or.reduce([masks[k][int(np.argmax(one))] for k, one in enumerate(predicted)])
        assert (model.finish(item, raw).mask == expected).all()


def test_published_folders_of_sam2_hold_the_video_model(sam2_video_folder: Path) -> None:
    import torch
    from transformers import Sam2VideoModel

    model = Sam(model=str(sam2_video_folder)).load("cpu")
    image = IMAGES["wide"]
    prepared = model.prepare(asked(image, Hint(boxes=(BOX,))))
    video = Sam2VideoModel.from_pretrained(sam2_video_folder).eval()
    with torch.no_grad():
        features = video.get_image_features(prepared.framed.pixels[None]).fpn_hidden_states
    (embedding,) = model._network.encode([prepared.framed])
    side = embedding[0].shape[-1]
    assert (embedding[0] == features[0].permute(1, 2, 0).reshape(1, -1, side, side)).all()


@pytest.mark.parametrize("kind", ["sam_checkpoint", "sam_folder", "sam2_folder"])
def test_a_batch_is_its_photographs(kind: str, request: pytest.FixtureRequest) -> None:
    model = Sam(model=str(request.getfixturevalue(kind))).load("cpu")
    items = [asked(image, Hint(boxes=((3, 4, 30, 31),))) for image in IMAGES.values()]
    together = model.run([model.prepare(item) for item in items])
    for item, raw in zip(items, together, strict=True):
        ((logits, predicted),) = raw.masks
        ((expected, estimates),) = offered(model, item).masks
        np.testing.assert_allclose(logits, expected, atol=1e-3)
        np.testing.assert_allclose(predicted, estimates, atol=1e-4)
        assert model.finish(item, raw).mask.shape == item.decoded.image.shape[:2]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["sam_checkpoint", "sam_folder", "sam2_folder"])
def test_the_encoder_computes_in_the_precision_asked_for(kind: str, dtype: Any, request: pytest.FixtureRequest) -> None:
    reference = str(request.getfixturevalue(kind))
    exact, coarse = Sam(model=reference).load("cpu"), Sam(model=reference, dtype=dtype).load("cpu")
    assert exact.facts["dtype"] == "float32"
    assert coarse.facts["dtype"] == dtype
    item = asked(IMAGES["wide"], Hint(boxes=(BOX,)))
    ((wanted, _),), ((logits, _),) = offered(exact, item).masks, offered(coarse, item).masks
    assert logits.dtype == wanted.dtype
    assert (logits != wanted).any()
    assert iou(logits.numpy() > 0, wanted.numpy() > 0) > 0.9


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["sam_checkpoint", "sam_folder", "sam2_folder"])
def test_weights_that_are_rounded_once_answer_as_those_that_autocast_rounds(
    kind: str, dtype: Any, request: pytest.FixtureRequest
) -> None:
    reference: Path = request.getfixturevalue(kind)
    model = Sam(model=str(reference), dtype=dtype).load("cpu")
    whole = SamOnDevice(Sam(), read_network(reference, "cpu"), "cpu", getattr(torch, dtype))
    item = asked(IMAGES["wide"], Hint(boxes=(BOX,)))
    ((logits, _),), ((wanted, _),) = offered(model, item).masks, offered(whole, item).masks
    assert torch.equal(logits, wanted)


def test_a_coarse_mask_asks_for_each_of_its_parts(meta: SamOnDevice) -> None:
    coarse = np.zeros((90, 141), bool)
    coarse[10:50, 20:60] = np.tri(40, dtype=bool)
    coarse[60:80, 90:130] = np.tri(20, 40, 20, dtype=bool)
    item = asked(IMAGES["wide"], Hint(coarse))
    prepared = meta.prepare(item)
    assert [prompt.box for prompt in prepared.prompts] == [(18, 8, 62, 52), (88, 59, 132, 81)]
    assert [len(prompt.points) for prompt in prepared.prompts] == [1, 1]
    (raw,) = meta.run([prepared])
    found = meta.finish(item, raw)
    assert [len(logits) for logits, _ in raw.masks] == [1, 1]
    assert (found.mask == unite([choose(*_large(meta, raw, index), None) for index in (0, 1)]).mask).all()


def _large(model: SamOnDevice, raw: Offered, index: int) -> tuple[np.ndarray, list[float]]:
    logits, predicted = raw.masks[index]
    return model._network.enlarge(logits, raw.prepared.framed).numpy(), predicted.tolist()


def test_of_three_masks_the_coarse_one_chooses_too(sam_checkpoint: Path) -> None:
    model = Sam(model=str(sam_checkpoint), points=0).load("cpu")
    coarse = np.zeros((90, 141), bool)
    coarse[10:50, 20:60] = np.tri(40, dtype=bool)
    coarse[60:80, 90:130] = np.tri(20, 40, 20, dtype=bool)
    item = asked(IMAGES["wide"], Hint(coarse))
    prepared = model.prepare(item)
    (raw,) = model.run([prepared])
    found = model.finish(item, raw)
    assert found.agreement == iou(found.mask, coarse)
    chosen: list[Chosen] = []
    for index, prompt in enumerate(prepared.prompts):
        large, predicted = _large(model, raw, index)
        assert len(large) == 3
        merits = [
            min(max(float(p), 0), 1) + iou(one > 0, prompt.coarse) for p, one in zip(predicted, large, strict=True)
        ]  # type: ignore[arg-type]
        best = int(np.argmax(merits))
        assert (choose(large, predicted, prompt.coarse).mask == (large[best] > 0)).all()
        chosen.append(choose(large, predicted, prompt.coarse))
    assert (found.mask == unite(chosen).mask).all()


def test_a_drawn_box_is_asked_for_as_a_given_one(meta: SamOnDevice) -> None:
    drawn = np.zeros((90, 141), bool)
    drawn[10:50, 20:60] = True
    found = refined(meta, IMAGES["wide"], Hint(drawn))
    given = refined(meta, IMAGES["wide"], Hint(boxes=((20, 10, 60, 50),)))
    assert (found.mask == given.mask).all()
    assert (found.predicted_iou, given.agreement) == (given.predicted_iou, None)
    assert found.agreement == np.count_nonzero(found.mask & drawn) / np.count_nonzero(found.mask)


def test_nothing_found_is_said_or_left_to_the_given_mask(meta: SamOnDevice) -> None:
    image = IMAGES["wide"]
    given = np.zeros((90, 141), bool)
    given[10:50, 20:60] = True
    for hint in (Hint(boxes=(BOX,)), Hint(given)):
        item = asked(image, hint)
        raw = offered(meta, item)
        nowhere = Offered(raw.prepared, [(logits.abs().neg(), predicted) for logits, predicted in raw.masks])
        if hint.mask is None:
            with pytest.raises(Rejected, match="no_object"):
                meta.finish(item, nowhere)
        else:
            found = meta.finish(item, nowhere)
            assert not found.mask.any()
            assert (found.predicted_iou, found.stability, found.agreement) == (0, 0, 0)


def test_broken_weights_find_nothing(meta: SamOnDevice) -> None:
    item = asked(IMAGES["wide"], Hint(boxes=(BOX,)))
    raw = offered(meta, item)
    broken = Offered(raw.prepared, [(logits * np.nan, predicted * np.nan) for logits, predicted in raw.masks])
    with pytest.raises(Rejected, match="no_object"):
        meta.finish(item, broken)


@pytest.mark.parametrize("kind", ["sam_checkpoint", "sam_folder", "sam2_folder"])
def test_odd_photographs_and_hints(kind: str, request: pytest.FixtureRequest) -> None:
    model = Sam(model=str(request.getfixturevalue(kind))).load("cpu")
    for height, width in ((1, 1), (2, 3), (3, 200), (1, 128)):
        image = noise(height, width)
        whole = np.ones((height, width), bool)
        found = [refined(model, image, Hint(whole)), refined(model, image, Hint(whole, ((0, 0, width, height),)))]
        assert all(one.mask.shape == (height, width) for one in found)
    with pytest.raises(Rejected, match="missing_hint: no box"):
        model.prepare(asked(IMAGES["wide"], Hint()))
    with pytest.raises(Rejected, match="missing_hint: no box"):
        model.prepare(asked(IMAGES["wide"], Hint(np.zeros((90, 141), bool))))
    with pytest.raises(Rejected, match=r"missing_hint: box .* holds nothing of the image of 141×90"):
        model.prepare(asked(IMAGES["wide"], Hint(boxes=((200, 1, 300, 50),))))
    line = np.zeros((1, 1000, 3), np.uint8)
    if "sam2" not in kind:  # it squeezes lines to squares
        with pytest.raises(Rejected, match="too_small: 1000×1 pixels"):
            model.prepare(asked(line, Hint(points=((5, 0, True),))))


def test_settings_are_those_of_a_refiner(sam_checkpoint: Path) -> None:
    sam = build("refiner", Refiner, {"kind": "sam", "model": str(sam_checkpoint), "points": 3})
    assert isinstance(sam, Sam)
    assert sam.accelerated
    assert sam.weights() == {"sam": str(sam_checkpoint)}
    assert pickle.loads(pickle.dumps(sam)) == sam
    facts = dict(sam.load("cpu").facts)
    assert facts == {
        "model": str(sam_checkpoint),
        "backend": "segment_anything",
        "architecture": TINY.facts,
        "dtype": "float32",
    }
    assert Sam().weights() == {"sam": "sam-vit-h"}
