"""Capture: from `send` into the journal in microseconds, from the journal into the store in batches."""

from spark_plugin.capture.capture import Capture, journal_directory
from spark_plugin.capture.dead import waiting
from spark_plugin.capture.ingest import Ingested, Projection
from spark_plugin.capture.journal import JournalTerms
from spark_plugin.capture.mend import mend

__all__ = ["Capture", "Ingested", "JournalTerms", "Projection", "journal_directory", "mend", "waiting"]
