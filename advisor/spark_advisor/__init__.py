"""The advisor: detectors, the book of advisories, ranking, routing. Pure: read models in, advice out."""

from spark_advisor.auctions import Auctions
from spark_advisor.book import AdvisoryBook, Change, HoldOut
from spark_advisor.detectors import built_in
from spark_advisor.detectors.capture_health import capture_health, plugin_health
from spark_advisor.durations import Began, Durations, UnderWay
from spark_advisor.effects import Bearing, Bearings, Effect, bearing_on, bearings
from spark_advisor.levels import Level
from spark_advisor.ranking import about, concerns, opposed, ranked, stances, worth
from spark_advisor.regrets import Regret, Rival, rival
from spark_advisor.routing import Contender, recommend
from spark_advisor.trends import Prior, Spread, Trend, bar

__all__ = [
    "AdvisoryBook",
    "Auctions",
    "Bearing",
    "Bearings",
    "Began",
    "Change",
    "Contender",
    "Durations",
    "Effect",
    "HoldOut",
    "Level",
    "Prior",
    "Regret",
    "Rival",
    "Spread",
    "Trend",
    "UnderWay",
    "about",
    "bar",
    "bearing_on",
    "bearings",
    "built_in",
    "capture_health",
    "concerns",
    "opposed",
    "plugin_health",
    "ranked",
    "recommend",
    "rival",
    "stances",
    "worth",
]
