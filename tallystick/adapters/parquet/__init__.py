"""The archive as Parquet files: DuckDB in memory writes them, and pages are read alone (``ports.archive.Archive``)."""

from tallystick.adapters.parquet.archive import ParquetArchive, files_of

__all__ = ["ParquetArchive", "files_of"]
