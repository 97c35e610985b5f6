"""The filter's measures of images, each given as a `Photo`: its pixels and the mask of its object."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.batching import BatchRunner, DeviceLock
from xray.core.compositing import fill_rest
from xray.core.device import DeviceModel
from xray.core.images import Decoded
from xray.core.types import Mask, Photo
from xray.masks.base import Hint, RefinedMask, RefinerInput
from xray.models.base import Loaded
from xray.models.outputs import prediction_columns


def background_contrast(picture: Photo) -> float:
    """Return the standard deviation of the background's luma (Rec. 601), in levels of 255: 0–127.5.

    >>> halves = np.repeat(np.array([[0], [200]], np.uint8), 3, axis=1)[:, None]
    >>> background_contrast(Photo(halves, np.zeros((2, 1), bool)))
    100.0
    >>> background_contrast(Photo(halves, np.array([[True], [False]])))
    0.0
    """
    luma = cv2.cvtColor(picture.image, cv2.COLOR_RGB2GRAY)
    return float(cv2.meanStdDev(luma, mask=picture.outside)[1][0, 0])


def accepted_probability(
    classifier: Loaded, pictures: Sequence[Photo], accepted: Sequence[Sequence[int]]
) -> NDArray[np.float32]:
    """Return the probability of the accepted indices for images whose object is hidden; 0–1, shape (N,).

    The object is filled with the mean colour of the background.
    """
    import torch

    hidden = (fill_rest(picture, "background", "mean", seed=0) for picture in pictures)
    probabilities_NK = classifier.predict(torch.stack([classifier.preprocess(image) for image in hidden]))
    return prediction_columns(probabilities_NK, accepted)["p_true"]


def object_masks(refiner: DeviceModel[RefinerInput, RefinedMask], pictures: Sequence[Photo]) -> list[Mask | None]:
    """Return the object mask that a refiner makes of each image's mask; None where it finds no object.

    One image per batch: a network's result depends, in the last bits, on the size of the batch.
    """
    inputs = [RefinerInput(Decoded(picture.image, None, ()), Hint(picture.mask), seed=0) for picture in pictures]
    results = BatchRunner(refiner, 1, DeviceLock(threading.Lock())).run(inputs)
    return [refined.mask if isinstance(refined, RefinedMask) and refined.mask.any() else None for refined in results]


def object_growth(given: Mask, before: Mask | None, after: Mask | None) -> float | None:
    """Return how much an object has grown, as a multiple of the area of its given mask.

    Counted are the pixels that the refiner assigns to the object in the inpainted image (`after`), but not in the
    photograph (`before`), and that are not in the given mask. So what a refiner adds to any given mask is not counted.
    None where the refiner found no object in one of the two.

    >>> given, before = np.array([[True, True, False, False]]), np.array([[True, True, True, False]])
    >>> object_growth(given, before, before), object_growth(given, before, np.array([[True, False, True, True]]))
    (0.0, 0.5)
    """
    if before is None or after is None:
        return None
    return float(np.count_nonzero(after & ~before & ~given) / np.count_nonzero(given))
