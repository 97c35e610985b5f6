from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.drawn_photos import drawn

from xray.core.types import Pixels
from xray.masks import Mask
from xray.masks.signs import Look, is_black_and_white, question, with_misfits

Pair = tuple[str, Pixels, Mask]
Change = Callable[[Pixels, Mask], Mask]


def photographs(n: int = 12) -> list[Pair]:
    pairs = ((f"{number}.jpg", *drawn(number)) for number in range(n))
    return [(name, image, mask > 0) for name, image, mask in pairs]


def real_photographs(folder: Path) -> list[Pair]:
    pairs = []
    for path in sorted(folder.glob("images/*/*.JPEG")):
        mask = cv2.imread(str(folder / "masks" / path.parent.name / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        pairs.append((path.name, image, mask > 127))  # type: ignore[operator]
    return pairs  # type: ignore[return-value]


def looks(pairs: list[Pair], change: Change = lambda image, mask: mask) -> list[Look]:
    return with_misfits([Look.at(name, image, change(image, mask)) for name, image, mask in pairs])


def invert(image: Pixels, mask: Mask) -> Mask:
    return ~mask


def band(image: Pixels, mask: Mask) -> Mask:
    """Return a band of five pixels along the outline, as ignored pixels of index masks are."""
    return cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8)) > 0


def bright(image: Pixels, mask: Mask) -> Mask:
    """Return the bright parts of the object, as cut-outs that are taken for brightness give."""
    return (image.mean(axis=2) > 127) & mask


def upside_down(image: Pixels, mask: Mask) -> Mask:
    return np.ascontiguousarray(mask[::-1, ::-1])


def of_another(pairs: list[Pair]) -> list[Pair]:
    """Give each photograph the mask of the next one, at its own size."""
    masks = [mask.astype(np.uint8) for _, _, mask in pairs]
    moved = [
        cv2.resize(masks[k - 1], (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST) > 0
        for k, (_, _, mask) in enumerate(pairs)
    ]
    return [(name, image, mask) for (name, image, _), mask in zip(pairs, moved, strict=True)]


@pytest.mark.parametrize("n", [1, 2, 3, 6, 12])
def test_right_masks_are_not_questioned(n: int) -> None:
    assert question(looks(photographs(n))) == []
    assert all(look.signs == () for look in looks(photographs(n)))


@pytest.mark.parametrize(("change", "sign"), [(invert, "cover the borders"), (band, "rings")])
def test_wrong_masks_are_questioned(change: Change, sign: str) -> None:
    wrong = looks(photographs(), change)
    assert any(sign in finding for finding in question(wrong))
    assert all(look.signs for look in wrong)


def test_masks_of_other_photographs_are_questioned() -> None:
    (finding,) = question(looks(of_another(photographs())))
    assert "edges" in finding


def test_real_right_masks_are_not_questioned(photos12: Path) -> None:
    seen = looks(real_photographs(photos12))
    assert len(seen) == 66
    assert question(seen) == []
    assert [look.name for look in seen if look.signs] == []
    for start in range(0, 66, 6):
        assert question(with_misfits(seen[start : start + 6])) == []


@pytest.mark.parametrize(
    ("change", "sign"),
    [(invert, "cover the borders"), (band, "rings"), (bright, "specks"), (upside_down, "edges")],
)
def test_real_wrong_masks_are_questioned(photos12: Path, change: Change, sign: str) -> None:
    assert any(sign in finding for finding in question(looks(real_photographs(photos12), change)))


def test_real_masks_of_other_photographs_are_questioned(photos12: Path) -> None:
    assert any("edges" in finding for finding in question(looks(of_another(real_photographs(photos12)))))


def test_a_single_real_mask_of_another_photograph_is_named(photos12: Path) -> None:
    pairs = real_photographs(photos12)[:24]
    found = 0
    for number, (name, image, mask) in enumerate(pairs[:8]):
        other = cv2.resize(pairs[number + 9][2].astype(np.uint8), mask.shape[::-1]) > 0
        seen = looks([*pairs[:number], (name, image, other), *pairs[number + 1 :]])
        found += any("unlike the others" in finding and name in finding for finding in question(seen))
    assert found >= 2  # about half of those whose outlines happen to lie on no edges


def test_a_few_inverted_masks_are_named_and_setting_is_offered_only_if_all_are() -> None:
    pairs = [(name, image, ~mask if name in ("3.jpg", "7.jpg") else mask) for name, image, mask in photographs()]
    (few,) = question(looks(pairs), can_invert=True)
    assert "2 of 12" in few
    assert "3.jpg, 7.jpg" in few
    assert "invert: true" not in few
    (all_of_them,) = question(looks(photographs(), invert), can_invert=True)
    assert "invert: true" in all_of_them


def test_one_mask_for_all_photographs_is_questioned() -> None:
    first = photographs()[0][2]
    findings = question(looks([(name, image, first) for name, image, _ in photographs()]))
    assert any("12 of 12 are alike" in finding for finding in findings)


def test_near_duplicates_may_share_a_mask() -> None:
    pairs = photographs()
    name, image, mask = pairs[0]
    burst = [(f"{k}_{name}", np.roll(image, k, axis=1), mask) for k in range(1, 4)]
    assert question(looks([*pairs, *burst])) == []
    others = [(f"of the first/{name}", image, mask) for name, image, _ in pairs[1:3]]
    assert any("6 of 15 are alike" in finding for finding in question(looks([*pairs[3:], pairs[0], *burst, *others])))


def test_boxes_need_not_follow_edges() -> None:
    def box(image: Pixels, mask: Mask) -> Mask:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        filled = np.zeros_like(mask)
        filled[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        return filled

    assert question(looks(photographs(), box)) == []


def test_sizes_of_most_masks_are_questioned() -> None:
    def dot(image: Pixels, mask: Mask) -> Mask:
        small = np.zeros_like(mask)
        small[30:34, 40:44] = True
        return small

    assert any("less than" in finding for finding in question(looks(photographs(3), dot)))


def test_photographs_are_not_taken_for_masks_and_masks_are_not_photographs(photos12: Path) -> None:
    assert not any(is_black_and_white(image) for _, image, _ in real_photographs(photos12))
    assert all(is_black_and_white(cv2.cvtColor(drawn(n)[1], cv2.COLOR_GRAY2RGB)) for n in range(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (2, 90), (90, 2)])
def test_small_and_narrow_images(shape: tuple[int, int]) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    assert 0 <= Look.at("x", image, np.ones(shape, bool)).narrow <= 1
    assert Look.at("x", image, np.zeros(shape, bool)).area == 0


@pytest.mark.parametrize("frame", [1, 2, 4])
def test_inverted_masks_with_a_frame_cover_the_borders(frame: int) -> None:
    mask = np.zeros((180, 240), bool)
    mask[frame:-frame, frame:-frame] = True
    mask[60:120, 80:160] = False
    assert "covers the borders" in Look.at("1.jpg", np.zeros((180, 240, 3), np.uint8), mask).signs
