"""Network modules; separate from the families because they import torch."""
