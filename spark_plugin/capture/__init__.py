"""Capture: from `send` into the journal in microseconds, from the journal into the store in batches."""

from spark_plugin.capture.capture import Capture, journal_directory
from spark_plugin.capture.carrier import Carrier
from spark_plugin.capture.counts import Ingested
from spark_plugin.capture.dead import waiting
from spark_plugin.capture.drainer import Drainer
from spark_plugin.capture.duty import OnDuty, on_duty
from spark_plugin.capture.ingest import Projection
from spark_plugin.capture.journal import Journal, JournalTerms
from spark_plugin.capture.keeper import Child, Keeper, Somebody
from spark_plugin.capture.mend import mend
from spark_plugin.capture.worker import Worker

__all__ = [
    "Capture",
    "Carrier",
    "Child",
    "Drainer",
    "Ingested",
    "Journal",
    "JournalTerms",
    "Keeper",
    "OnDuty",
    "Projection",
    "Somebody",
    "Worker",
    "journal_directory",
    "mend",
    "on_duty",
    "waiting",
]
