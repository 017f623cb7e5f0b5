"""Redaction: secrets are taken out of events before they are stored."""

from spark_plugin.redaction.events import Redact, redacted
from spark_plugin.redaction.texts import without_secrets

__all__ = ["Redact", "redacted", "without_secrets"]
