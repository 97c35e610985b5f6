"""What the filter measures of pictures, each given as a `Photo`: its pixels, and where the object is in them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.codec import Decoded
from xray.device import DeviceModel, Work
from xray.errors import Rejected
from xray.masks.base import Hint, Refined, Unrefined
from xray.models.base import Loaded
from xray.models.prediction import rows
from xray.scenarios.base import Mask, Photo
from xray.scenarios.compose import fill_rest
from xray.sources.base import Box


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


def growths(refiner: DeviceModel[Unrefined, Refined], pictures: Sequence[Photo]) -> list[float | None]:
    """How much each object has grown, in areas of its old mask; None where the refiner finds no object."""
    hinted = [
        Unrefined(Decoded(picture.image, None, ()), Hint(boxes=(box_of(picture.mask),)), seed=0) for picture in pictures
    ]
    found = Work(refiner, len(pictures), threading.Lock()).through(hinted)
    return [
        None if isinstance(refined, Rejected) else growth(picture.mask, refined.mask)
        for picture, refined in zip(pictures, found, strict=True)
    ]


def growth(before: Mask, after: Mask) -> float:
    """Area of a mask outside another, in areas of the other; both of shape (H, W), the other not empty.

    >>> growth(np.array([[True, True, False, False]]), np.array([[False, True, True, False]]))
    0.5
    """
    return float(np.count_nonzero(after & ~before) / np.count_nonzero(before))


def box_of(mask: Mask) -> Box:
    """The smallest box around a mask that is not empty: x0, y0, x1, y1, exclusive ends.

    >>> box_of(np.array([[False, False, False], [False, True, True]]))
    (1.0, 1.0, 3.0, 2.0)
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return float(x), float(y), float(x + width), float(y + height)
