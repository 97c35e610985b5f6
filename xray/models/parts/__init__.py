"""Parts of networks that no library has; apart from the families, because they need torch when they are imported."""
