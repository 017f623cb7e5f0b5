"""The advisor: detectors, the book of advisories, ranking, routing. Pure: read models in, advice out."""

from spark_advisor.book import AdvisoryBook, Change
from spark_advisor.detectors import built_in
from spark_advisor.detectors.system_health import capture_health, plugin_health
from spark_advisor.ranking import about, concerns, ranked
from spark_advisor.routing import Contender, recommend

__all__ = [
    "AdvisoryBook",
    "Change",
    "Contender",
    "about",
    "built_in",
    "capture_health",
    "concerns",
    "plugin_health",
    "ranked",
    "recommend",
]
