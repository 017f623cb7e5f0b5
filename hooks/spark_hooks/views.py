"""Read-only views of what Spark knows, as detectors see it, and the `Detector` protocol.

The views are protocols: plugins depend on these names, never on the classes behind them. Reading is cheap; nothing
here may be changed, and nothing may be kept beyond the call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from spark_hooks.records import Finding


class TallyView(Protocol):
    """Outcomes counted."""

    @property
    def outcomes(self) -> int: ...
    @property
    def successes(self) -> int: ...


class MeanView(Protocol):
    """A running mean: number of values, their mean, and the sum of squared distances from it."""

    @property
    def n(self) -> int: ...
    @property
    def mean(self) -> float: ...
    @property
    def m2(self) -> float: ...


class TrendView(TallyView, Protocol):
    """Outcomes since the last change of their rate."""

    @property
    def failures(self) -> int: ...
    @property
    def since(self) -> int:
        """Position of the first of them."""
        ...

    @property
    def apart(self) -> Sequence[int]:
        """Successes and failures since then that a category explains; they are not counted."""
        ...

    @property
    def fell(self) -> bool:
        """Whether that change was a fall, and nothing has changed since."""
        ...

    @property
    def before(self) -> Sequence[int]:
        """Successes, failures, position of the first, and successes and failures apart, before that fall."""
        ...


class RegretView(Protocol):
    """Work that was won although another candidate was expected to do it better, since that is suspected to be bad."""

    @property
    def nats(self) -> float:
        """What speaks for that the others would have done better."""
        ...

    @property
    def outcomes(self) -> int: ...
    @property
    def successes(self) -> int: ...
    @property
    def promised(self) -> float:
        """The others' success forecasts, summed."""
        ...

    @property
    def since(self) -> int: ...
    @property
    def rivals(self) -> Mapping[str, int]:
        """How often each other candidate was the one expected to do best."""
        ...


class RecordView(TallyView, Protocol):
    """Outcomes counted, and the ids of the newest events behind them, newest last."""

    @property
    def recent_failures(self) -> Sequence[str]: ...
    @property
    def recent_successes(self) -> Sequence[str]: ...
    @property
    def trend(self) -> TrendView: ...
    @property
    def regret(self) -> RegretView: ...


class UnderWayView(Protocol):
    """What has begun and not ended, by key: (time in the log, position, event id). `overdue` is part of it."""

    @property
    def began(self) -> Mapping[str, tuple[float, int, str]]: ...
    @property
    def overdue(self) -> Mapping[str, None]: ...


class DurationsView(Protocol):
    """How long something takes, in log(seconds)."""

    @property
    def took(self) -> MeanView: ...
    @property
    def nats(self) -> float:
        """What one that is overdue says against chance."""
        ...


class LevelView(Protocol):
    """Values since their level shifted last (`shifted`: +1 up, -1 down, 0 never or back), and those before."""

    @property
    def now(self) -> MeanView: ...
    @property
    def since(self) -> int: ...
    @property
    def before(self) -> MeanView: ...
    @property
    def before_since(self) -> int: ...
    @property
    def shifted(self) -> int: ...


class AuctionsView(Protocol):
    """A category's sealed bids."""

    @property
    def held(self) -> int: ...
    @property
    def tied(self) -> int: ...
    @property
    def rotation(self) -> Sequence[float]: ...
    @property
    def turns(self) -> Sequence[int]: ...
    @property
    def rings(self) -> Sequence[Sequence[str]]: ...
    @property
    def spread(self) -> LevelView: ...
    @property
    def recent_ties(self) -> Sequence[str]: ...


class AgentView(RecordView, Protocol):
    """One agent's record."""

    @property
    def present(self) -> bool: ...
    @property
    def failure_streak(self) -> int: ...
    @property
    def assigned(self) -> int: ...
    @property
    def by_category(self) -> Mapping[str, RecordView]: ...
    @property
    def overrun(self) -> MeanView:
        """log(cost / bid) of the attempts that told both."""
        ...

    @property
    def recent_overruns(self) -> Sequence[str]:
        """Ids of the newest outcomes whose cost was above the bid."""
        ...

    @property
    def attempts(self) -> UnderWayView: ...
    @property
    def recent_awards(self) -> Sequence[str]: ...
    @property
    def passed_over(self) -> Sequence[float]:
        """Awards since its last one for which it was a candidate, what that says against chance (nats), and the
        position of the first."""
        ...


class CategoryView(TallyView, Protocol):
    """One category's record."""

    @property
    def award_ratio(self) -> MeanView:
        """Winning bid / reserve, of the awards that told both."""
        ...

    @property
    def recent_awards(self) -> Sequence[str]: ...
    @property
    def price(self) -> LevelView:
        """log(winning bid / reserve); log(winning bid) where there is no reserve."""
        ...

    @property
    def auctions(self) -> AuctionsView: ...
    @property
    def unawarded(self) -> UnderWayView: ...


class ForecastView(Protocol):
    """How good the success forecasts were so far."""

    @property
    def evaluated(self) -> int: ...
    @property
    def excess(self) -> MeanView:
        """Log loss of the forecast less that of the base rate, per attempt (natural logarithm)."""
        ...

    @property
    def bins(self) -> Sequence[BinView]: ...


class BinView(Protocol):
    """Forecasts that fell between two probabilities: how many, what they promised in sum, how many came true."""

    @property
    def n(self) -> int: ...
    @property
    def promised(self) -> float: ...
    @property
    def came(self) -> int: ...


class WorkView(Protocol):
    """The swarm's work as a whole."""

    @property
    def awarded(self) -> int: ...
    @property
    def running(self) -> int:
        """Attempts under way."""
        ...

    @property
    def durations(self) -> DurationsView:
        """From award to outcome."""
        ...

    @property
    def waits(self) -> DurationsView:
        """From post to award."""
        ...

    @property
    def unawarded(self) -> UnderWayView:
        """Tasks without a category that nobody has got yet."""
        ...

    @property
    def auctions(self) -> int: ...
    @property
    def tied(self) -> int: ...
    @property
    def loss(self) -> LevelView:
        """Log loss of the success forecasts less that of the base rate."""
        ...


class SwarmView(TallyView, Protocol):
    """All that is known at one position of the log."""

    @property
    def position(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def agents(self) -> Mapping[str, AgentView]: ...
    @property
    def categories(self) -> Mapping[str, CategoryView]: ...
    @property
    def forecasts(self) -> ForecastView: ...
    @property
    def work(self) -> WorkView: ...


class Touched(NamedTuple):
    """What the event at hand was about; a detector looks at no more than this.

    A finding is dropped when an event touches its topic and the detector does not find it again. The topics of an event
    are its agent, its category, this agent in this category, and the swarm as a whole.
    """

    event_id: str
    agent: str | None
    category: str | None

    def topics(self) -> tuple[tuple[str | None, str | None], ...]:
        """The (agent, category) pairs whose findings this event puts to the test; each once."""
        both = ((self.agent, self.category), (self.agent, None), (None, self.category), (None, None))
        return both if self.agent and self.category else tuple(dict.fromkeys(both))


AWARDS = frozenset({"task_assigned"})
OUTCOMES = frozenset({"task_completed", "task_failed"})
AUCTIONS = frozenset({"auction"})
"""No event, but asked for like one, as those that follow: a task of a category was given away for a bid."""
OVERDUE = frozenset({"overdue"})
"""An attempt of an agent's or a task of a category's is past its time, or was and has ended."""
PASSED_OVER = frozenset({"passed_over"})
"""A candidate was not chosen, and that has become remarkable; or it is chosen after that."""
CHECKUP = frozenset({"checkup"})
"""Every 25th outcome; it is about the whole swarm."""
OCCASIONS = AUCTIONS | OVERDUE | PASSED_OVER | CHECKUP


class Detector(Protocol):
    """Looks for one kind of trouble or luck. It must be a pure function of what it is given.

    An attribute ``watches`` names the types of events, or the occasions, after which it is asked; without one it is
    asked after all.
    """

    @property
    def name(self) -> str:
        """Unique among detectors; part of its advisories' ids."""
        ...

    def detect(self, view: SwarmView, touched: Touched) -> Iterable[Finding]:
        """All that holds now about the topics of `touched`; called in log order, after the event was counted."""
        ...
