"""What the filter measures of pictures, each given as a `Photo`: its pixels, and where the object is in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.compositing import fill_rest
from xray.core.device import DeviceModel, Turn, Work
from xray.core.images import Decoded
from xray.core.types import Mask, Photo
from xray.masks.base import Hint, Refined, Unrefined
from xray.models.base import Loaded
from xray.models.outputs import rows


def contrast(picture: Photo) -> float:
    """Standard deviation of the background's luma (Rec. 601), 0–127.5 levels of 255.

    >>> halves = np.repeat(np.array([[0], [200]], np.uint8), 3, axis=1)[:, None]
    >>> contrast(Photo(halves, np.zeros((2, 1), bool))), contrast(Photo(halves, np.array([[True], [False]])))
    (100.0, 0.0)
    """
    luma = cv2.cvtColor(picture.image, cv2.COLOR_RGB2GRAY)
    return float(cv2.meanStdDev(luma, mask=picture.outside)[1][0, 0])


def repeated(classifier: Loaded, pictures: Sequence[Photo], accepted: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Probability of the accepted indices, 0–1, in N ≥ 1 pictures whose object is hidden; shape (N,).

    The object is hidden under the mean colour of the rest of the picture.
    """
    import torch

    hidden = (fill_rest(picture, "background", "mean", seed=0) for picture in pictures)
    probabilities_NK = classifier.predict(torch.stack([classifier.preprocess(image) for image in hidden]))
    return rows(probabilities_NK, accepted)["p_true"]


def objects(refiner: DeviceModel[Unrefined, Refined], pictures: Sequence[Photo]) -> list[Mask | None]:
    """The object in each picture as a refiner finds it by the picture's mask; None where it finds none.

    One picture after the other: what a network makes of one hangs, in the last bits, on how many it sees at once.
    """
    asked = [Unrefined(Decoded(picture.image, None, ()), Hint(picture.mask), seed=0) for picture in pictures]
    found = Work(refiner, 1, Turn(threading.Lock())).through(asked)
    return [refined.mask if isinstance(refined, Refined) and refined.mask.any() else None for refined in found]


def growth(given: Mask, before: Mask | None, after: Mask | None) -> float | None:
    """How much an object has grown, in areas of its given mask, which is not empty.

    What the refiner takes for the object in the painted picture, without what it took for it in the photograph and
    without the given mask: what a refiner adds to a given mask anyway is no growth.

    Args:
        given: mask of the object, shape (H, W).
        before: mask that the refiner makes of the photograph.
        after: mask that it makes of the painted picture.

    Returns:
        0 or more; None where the refiner found no object in one of them.

    >>> given, before = np.array([[True, True, False, False]]), np.array([[True, True, True, False]])
    >>> growth(given, before, before), growth(given, before, np.array([[True, False, True, True]]))
    (0.0, 0.5)
    """
    if before is None or after is None:
        return None
    return float(np.count_nonzero(after & ~before & ~given) / np.count_nonzero(given))
