"""Generate the planned images: refine masks, inpaint backgrounds, render scenarios."""
