"""The archive as Parquet files, read and written by DuckDB in memory (``ports.archive.Archive``)."""

from tallystick.adapters.parquet.archive import ParquetArchive

__all__ = ["ParquetArchive"]
