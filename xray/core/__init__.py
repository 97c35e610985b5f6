"""The ground that every room stands on: errors, value types, schemas, plug-ins, images, files, hashing."""
