-- Positions are rowids: given out in commit order, without gaps, by the one writer that holds the transaction.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE events (
    position   INTEGER PRIMARY KEY,
    source     TEXT NOT NULL,
    id         TEXT NOT NULL,
    type       TEXT NOT NULL,
    task_id    TEXT,
    agent_id   TEXT,
    time       REAL NOT NULL,
    importance REAL NOT NULL,
    data       BLOB NOT NULL,
    UNIQUE (source, id)
);
CREATE INDEX events_type ON events (type);
CREATE INDEX events_time ON events (time);
CREATE INDEX events_task ON events (task_id) WHERE task_id IS NOT NULL;
CREATE INDEX events_agent ON events (agent_id) WHERE agent_id IS NOT NULL;

-- Its rows are long: without rowids each would fill a good part of a page, and the file twice the room.
CREATE TABLE derived (
    position      INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    time          REAL NOT NULL,
    importance    REAL NOT NULL,
    data          BLOB NOT NULL,
    task_position INTEGER,
    task_id       TEXT,
    agent_id      TEXT,
    UNIQUE (position, kind, subject)
);
CREATE INDEX derived_task ON derived (task_position, position, kind) WHERE task_position IS NOT NULL;
CREATE INDEX derived_kind ON derived (kind, position, subject);
CREATE INDEX derived_task_id ON derived (task_id, position, kind, subject) WHERE task_id IS NOT NULL;
CREATE INDEX derived_agent ON derived (agent_id, position, kind, subject) WHERE agent_id IS NOT NULL;

CREATE TABLE read_models (
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;

CREATE TABLE snapshots (version TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE dead_letters (
    source TEXT NOT NULL,
    id     TEXT NOT NULL,
    type   TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, id)
) WITHOUT ROWID;
