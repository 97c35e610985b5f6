"""Photographs in Parquet files, such as those of Hugging Face `datasets`."""

from xray.sources.parquet.source import Parquet as Parquet
