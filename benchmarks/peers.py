"""Other forecasters of success, to hold Spark's beside: asked at each assignment, taught at its outcome."""

from __future__ import annotations

import math
import re
import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Protocol

WORD = re.compile(r"[a-z][a-z_]{2,}")
SLOTS = 1 << 18


@dataclass
class Attempt:
    """One assignment, as a peer sees it."""

    agent: str
    description: str
    category: str
    succeeded: bool | None = None


class Peer(Protocol):
    """A forecaster of success."""

    def predict(self, attempt: Attempt) -> float: ...
    def learn(self, attempt: Attempt) -> None: ...


class Ancestor:
    """Always 0.7, whatever happens: what Spark's ancestor said."""

    def predict(self, attempt: Attempt) -> float:
        return 0.7

    def learn(self, attempt: Attempt) -> None: ...


class BaseRate:
    """The swarm's rate so far (Laplace's rule)."""

    def __init__(self) -> None:
        self.outcomes = self.successes = 0

    def predict(self, attempt: Attempt) -> float:
        return (self.successes + 1) / (self.outcomes + 2)

    def learn(self, attempt: Attempt) -> None:
        self.outcomes += 1
        self.successes += bool(attempt.succeeded)


class AgentRate(BaseRate):
    """The agent's rate so far, drawn towards the swarm's by four outcomes' worth."""

    def __init__(self) -> None:
        super().__init__()
        self.own: defaultdict[str, BaseRate] = defaultdict(BaseRate)

    def predict(self, attempt: Attempt) -> float:
        own = self.own[attempt.agent]
        return (own.successes + 4.0 * super().predict(attempt)) / (own.outcomes + 4.0)

    def learn(self, attempt: Attempt) -> None:
        super().learn(attempt)
        self.own[attempt.agent].learn(attempt)


def words(attempt: Attempt) -> list[str]:
    """The words of a description, each once, a hundred at most."""
    return sorted(set(WORD.findall(attempt.description[:2_000].lower())))[:100]


class OnlineLogit:
    """Logistic regression over hashed features, by adaptive gradient steps (Duchi, Hazan & Singer, JMLR 12, 2011)."""

    def __init__(self, rate: float = 0.3) -> None:
        self.rate = rate
        self.weights: defaultdict[int, float] = defaultdict(float)
        self.squares: defaultdict[int, float] = defaultdict(lambda: 1.0)

    def predict(self, attempt: Attempt) -> float:
        z = sum(self.weights[place] * value for place, value in self._features(attempt))
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, z))))

    def learn(self, attempt: Attempt) -> None:
        error = self.predict(attempt) - bool(attempt.succeeded)
        for place, value in self._features(attempt):
            gradient = error * value
            self.squares[place] += gradient * gradient
            self.weights[place] -= self.rate * gradient / math.sqrt(self.squares[place])

    @staticmethod
    def _features(attempt: Attempt) -> list[tuple[int, float]]:
        text = words(attempt)
        names = ["level", f"agent {attempt.agent}", f"category {attempt.category}", f"task {attempt.description}"]
        names.append(f"cell {attempt.agent} {attempt.category}")
        each = 1.0 / math.sqrt(len(text)) if text else 0.0
        found = [(name, 1.0) for name in names] + [(f"word {word}", each) for word in text]
        return [(zlib.crc32(name.encode()) % SLOTS, value) for name, value in found]


class Elo:
    """Agents play against tasks (Elo, "The Rating of Chessplayers", 1978)."""

    K, SCALE = 32.0, 400.0

    def __init__(self) -> None:
        self.agents: defaultdict[str, float] = defaultdict(float)
        self.tasks: defaultdict[str, float] = defaultdict(float)

    def predict(self, attempt: Attempt) -> float:
        ahead = self.agents[attempt.agent] - self.tasks[attempt.description]
        return 1.0 / (1.0 + 10.0 ** (-ahead / self.SCALE))

    def learn(self, attempt: Attempt) -> None:
        step = self.K * (bool(attempt.succeeded) - self.predict(attempt))
        self.agents[attempt.agent] += step
        self.tasks[attempt.description] -= step


class River:
    """A classifier of the library `river`; `text`: whether it is given the words too."""

    def __init__(self, model: Any, *, text: bool) -> None:
        self.model, self.text = model, text

    def predict(self, attempt: Attempt) -> float:
        return float(self.model.predict_proba_one(self._features(attempt)).get(True, 0.5))

    def learn(self, attempt: Attempt) -> None:
        self.model.learn_one(self._features(attempt), bool(attempt.succeeded))

    def _features(self, attempt: Attempt) -> dict[str, float]:
        found = {f"agent {attempt.agent}": 1.0, f"task {zlib.crc32(attempt.description.encode())}": 1.0}
        if attempt.category:
            found[f"category {attempt.category}"] = 1.0
        text = words(attempt) if self.text else []
        return found | {f"word {word}": 1.0 / math.sqrt(len(text)) for word in text}


def peers() -> dict[str, Peer]:
    """All there are here; those of `river` where it is installed (the extra `bench`)."""
    found: dict[str, Peer] = {
        "ancestor": Ancestor(),
        "base rate": BaseRate(),
        "agent rate": AgentRate(),
        "online logit": OnlineLogit(),
        "Elo": Elo(),
    }
    try:
        from river import facto, linear_model, optim
    except ImportError:
        return found
    found["river logistic regression"] = River(linear_model.LogisticRegression(optim.AdaGrad(0.3)), text=True)
    # its cost grows with the square of the features: agent, task and category only
    machine = facto.FMClassifier(n_factors=8, weight_optimizer=optim.AdaGrad(0.3), seed=1)
    found["river factorisation machine"] = River(machine, text=False)
    return found
