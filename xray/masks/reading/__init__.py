"""What annotation formats share: matching by name, the meaning of mask images, objects and their outlines."""
