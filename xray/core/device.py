"""Networks on a device: what they are, how they are loaded, and how a worker process is configured for them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import cv2

from xray.core.errors import ResourceError

MEMORY_ADVICE = (
    "A smaller `size`, `offload: true` and `tiling: true` of the painter need less of it, and fewer actors per GPU "
    "leave more"
)
_SWITCH_SECONDS = 0.0005
"""Thread switch interval. The thread that feeds the device competes with those that prepare and finish; Python's
default of 5 ms is a hundredth of the device's time where an image takes half a second."""

_LOADING = threading.Lock()
"""Libraries patch torch for the whole process while they load: one at a time."""

Output = TypeVar("Output")
Item_contra = TypeVar("Item_contra", contravariant=True)
Output_co = TypeVar("Output_co", covariant=True)


class DeviceModel(Protocol[Item_contra, Output_co]):
    """A model with weights on a device, in three steps of which only the second needs the device.

    `prepare` and `finish` run in threads beside `run`; `run` is called by one thread at a time.
    """

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts to record with every result, as plain JSON values: weights and their hashes, dtype, settings."""
        ...

    def prepare(self, item: Item_contra) -> Any:
        """Convert an item to the network's input, on the CPU.

        Raises:
            Rejected: this item cannot be used; the others are not affected.
        """
        ...

    def run(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Run the network on 1 or more prepared items, and return its outputs in their order.

        Raises:
            torch.OutOfMemoryError: the batch is too large for the device.
        """
        ...

    def finish(self, item: Item_contra, raw: Any) -> Output_co:
        """Convert a network's output to the result for an item, on the CPU.

        Raises:
            Rejected: the output is not usable.
        """
        ...


def configure_worker() -> None:
    """Configure this process as a worker: one thread for OpenCV and torch, short thread switches.

    Ray runs as many workers as there are CPUs; libraries with threads of their own would compete for them.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch on import, which takes seconds: not every worker needs it
    set_threads = getattr(sys.modules.get("torch"), "set_num_threads", None)  # None while another thread imports it
    if set_threads:
        set_threads(1)


def load_in_background(load: Callable[[], Output]) -> Future[Output]:
    """Start loading something in another thread; its future has the result, or raises what went wrong."""
    return ThreadPoolExecutor(1).submit(load)


def load_on(load: Callable[[str], Output], device: str) -> Output:
    """Load a model on a device of this worker.

    Raises:
        ResourceError: there is no such device, or its memory does not suffice.
    """
    configure_worker()
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise ResourceError(
                "torch finds no CUDA device on this worker, although Ray assigned a GPU: is it a CPU build?"
            )
    try:
        with _LOADING:
            return load(device)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        first_line = str(error).partition("\n")[0]
        raise ResourceError(f"the device has too little memory for the model: {first_line} {MEMORY_ADVICE}") from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether the device ran out of memory; some libraries say so only in the message.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    """
    messages = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
    torch = sys.modules.get("torch")
    typed = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return typed or any(message in str(error) for message in messages)


def is_device_error(error: RuntimeError) -> bool:
    """Return whether a device failed, or ran out of memory.

    >>> is_device_error(RuntimeError("CUDA error: an illegal memory access was encountered"))
    True
    """
    return is_out_of_memory(error) or "CUDA error" in str(error) or type(error).__name__ == "AcceleratorError"


def free_memory() -> None:
    """Return cached blocks to the device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
