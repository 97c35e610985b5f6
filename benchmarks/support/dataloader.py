"""The rival of xray's trainer: a plain torch script over folders of JPEGs.

    python benchmarks/support/dataloader.py FOLDER SPEC SIDE BATCH EPOCHS WORKERS

FOLDER/{train,validation,test}/LABEL/*.jpg. Prints the times of its steps, by the monotonic clock, as one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset

from xray.models.registry import parse_model

_PREDICTED_AT_ONCE = 64


class Jpegs(Dataset):
    """Decoded squares and labels; normalised later, per batch, so that workers send bytes and not floats."""

    def __init__(self, folder: Path, side: int) -> None:
        self.paths = sorted(folder.glob("*/*.jpg"))
        self.labels = [int(path.parent.name) for path in self.paths]
        self.side = side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[np.ndarray, int]:
        image = simplejpeg.decode_jpeg(self.paths[place].read_bytes(), "RGB", strict=True)
        return cv2.resize(image, (self.side, self.side), interpolation=cv2.INTER_AREA), self.labels[place]


def one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def main() -> None:
    folder, spec = Path(sys.argv[1]), sys.argv[2]
    side, batch, epochs, workers = map(int, sys.argv[3:])
    parse_model(spec).trainable(2, side)  # imports the library that it is built of
    imported = time.monotonic()
    one_thread(0)
    torch.manual_seed(0)
    sets = {part: Jpegs(folder / part, side) for part in ("train", "validation", "test")}
    loading: dict[str, Any] = {"num_workers": workers, "prefetch_factor": 4, "worker_init_fn": one_thread}
    train = DataLoader(sets["train"], batch, shuffle=True, persistent_workers=True, **loading)
    validation = DataLoader(sets["validation"], _PREDICTED_AT_ONCE, persistent_workers=True, **loading)
    network = parse_model(spec).trainable(len(set(sets["train"].labels)), side)
    module = network.module
    scale = 255 * torch.tensor(network.std).view(1, 3, 1, 1)
    shift = (torch.tensor(network.mean) / torch.tensor(network.std)).view(1, 3, 1, 1)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train))
    first, seconds, best, best_loss = 0.0, [], None, float("inf")
    for _ in range(epochs):
        started = time.monotonic()
        module.train()
        for images, labels in train:
            optimizer.zero_grad(set_to_none=True)
            loss = cross_entropy(module(images.permute(0, 3, 1, 2).float() / scale - shift), labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            first = first or time.monotonic()
        loss, _ = measured(module, validation, scale, shift)
        if loss < best_loss:
            best, best_loss = {name: value.clone() for name, value in module.state_dict().items()}, loss
        seconds.append(time.monotonic() - started)
    if best:
        module.load_state_dict(best)
    _, probabilities = measured(module, DataLoader(sets["test"], _PREDICTED_AT_ONCE, **loading), scale, shift)
    torch.save(best, folder / "best.pt")
    np.save(folder / "probabilities.npy", probabilities)
    print(json.dumps({"imported": imported, "first": first, "ended": time.monotonic(), "epochs": seconds}))


@torch.inference_mode()
def measured(
    module: torch.nn.Module, loader: DataLoader, scale: torch.Tensor, shift: torch.Tensor
) -> tuple[float, np.ndarray]:
    """Return mean loss and probabilities."""
    module.eval()
    total, said = 0.0, []
    for images, labels in loader:
        logits = module(images.permute(0, 3, 1, 2).float() / scale - shift)
        total += float(cross_entropy(logits, labels, reduction="sum"))
        said.append(logits.softmax(dim=1))
    return total / sum(map(len, said)), torch.cat(said).numpy()


if __name__ == "__main__":
    main()
