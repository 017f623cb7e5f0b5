"""The signals a coordinator sends: one per event, of the same name, and no others.

``signals.task_posted.send(coordinator, task_id="t1", description="Fix the login bug")`` returns blinker's list of
``(receiver, answer)``; Spark's answer is a `Receipt`. The policy is the same for all:

* Only the object given to `register` is heard, by identity. Nobody registered: nothing happens, the list is empty.
* Spark's receiver never raises (but with ``SPARK_STRICT``), never blocks on the store, and may be called from sync
  code, any thread, or a coroutine alike.
* Data fields are keywords. ``event_id=``, ``time=`` and ``source=`` fill the envelope; an event built beforehand may be
  sent whole as ``event=``.
* Receivers of others that raise are blinker's and their owner's affair: the exception reaches the sender.
"""

from __future__ import annotations

from collections.abc import Mapping

from blinker import Signal

task_posted = Signal("A task was offered. Policy: forecasts are frozen before any bid is heard.")
bid_submitted = Signal("An agent bid for a task. Policy: every bid is kept; the last one of an agent counts.")
task_assigned = Signal("A task was given to an agent. Policy: opens a new attempt and closes none.")
task_completed = Signal("An attempt succeeded. Policy: closes the newest open attempt of its agent, once.")
task_failed = Signal("An attempt failed. Policy: closes like task_completed; without agent_id, the only open attempt.")
agent_joined = Signal("An agent is there to take work. Policy: may be repeated; the newest word counts.")
agent_left = Signal("An agent takes no more work. Policy: its record is kept.")
tool_executed = Signal("An agent used a tool. Policy: counted for the agent; closes no attempt.")
recommendation_given = Signal("A recommendation was asked for and given. Policy: Spark sends it; opens no attempt.")
advisory_delivered = Signal("Advice was handed to a coordinator. Policy: Spark sends it; once per advisory.")
advisory_acknowledged = Signal("Somebody looks after advice. Policy: it stays live.")
advisory_dismissed = Signal("Advice is of no use. Policy: it is retired, and its like ranks lower for that subject.")
advisory_followed = Signal("Advice was followed. Policy: it stays live until its cause is gone.")
custom = Signal("Any event of the swarm's own: type=, subject= and data. Policy: kept whole, interpreted by nobody.")

SIGNALS: Mapping[str, Signal] = {
    "task_posted": task_posted,
    "bid_submitted": bid_submitted,
    "task_assigned": task_assigned,
    "task_completed": task_completed,
    "task_failed": task_failed,
    "agent_joined": agent_joined,
    "agent_left": agent_left,
    "tool_executed": tool_executed,
    "recommendation_given": recommendation_given,
    "advisory_delivered": advisory_delivered,
    "advisory_acknowledged": advisory_acknowledged,
    "advisory_dismissed": advisory_dismissed,
    "advisory_followed": advisory_followed,
    "custom": custom,
}
"""All signals by name: a closed list, so that a misspelt name is an error where it stands."""
