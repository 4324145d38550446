"""Your own tables, in CSV, TSV, JSON lines or Parquet, as a data set that a run can read."""

from recbole.data.importer.importing import Imported, import_tables
from recbole.data.importer.plan import ImportRequest

__all__ = ["ImportRequest", "Imported", "import_tables"]
