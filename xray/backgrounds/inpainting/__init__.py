"""New backgrounds around an object, inpainted by Stable Diffusion models."""
