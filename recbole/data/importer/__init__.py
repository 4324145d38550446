"""Your own tables, in CSV, TSV, JSON lines or Parquet, as a data set that a run can read."""

from recbole.data.importer.importing import Imported, ImportRequest, import_tables

__all__ = ["ImportRequest", "Imported", "import_tables"]
