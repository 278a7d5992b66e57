-- The notifier's outbox. An alert and its deliveries are written in the transaction that moves the
-- checkpoint, so that no alert is lost and none is invented; a sender takes the deliveries from here.

CREATE SCHEMA notifier;

-- How far the notifier has read the ledger. `first_started_at` parts news from history: what was
-- recorded long before the notifier first ran is kept here, and never sent.
CREATE TABLE notifier.checkpoints (
    name             text PRIMARY KEY,
    position         bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    first_started_at timestamptz NOT NULL DEFAULT now()
);

-- One alert per event, rule and policy version; the id is derived from these three. `body` is sent
-- as these very bytes at every attempt. No personal data is in here.
CREATE TABLE notifier.alerts (
    alert_id       uuid PRIMARY KEY,
    rule           text NOT NULL,
    policy_version text NOT NULL,
    topic          text NOT NULL,
    stream         uuid NOT NULL,
    position       bigint NOT NULL,
    occurred_at    timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    line           text NOT NULL,
    body           bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX alerts_by_topic ON notifier.alerts (stream, topic);

-- One row per alert and channel.
--   pending     waits for `next_attempt_at`, or is under way until then (a lease, not a lock)
--   delivered   the receiver took it
--   dead        given up, `last_error` says why; kept until somebody re-drives it
--   superseded  its cause was over before it was sent
--   withheld    older than the notifier's first start: history, not news
CREATE TABLE notifier.deliveries (
    alert_id        uuid NOT NULL REFERENCES notifier.alerts,
    channel         text NOT NULL,
    status          text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'delivered', 'dead', 'superseded', 'withheld')),
    attempts        integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text,
    ended_at        timestamptz,
    PRIMARY KEY (alert_id, channel),
    CHECK ((status = 'pending') = (ended_at IS NULL)),
    CHECK (status = 'pending' OR status = 'delivered' OR last_error IS NOT NULL)
);

CREATE INDEX deliveries_due ON notifier.deliveries (channel, next_attempt_at)
    WHERE status = 'pending';

-- A receiver that answered with Retry-After is left alone until then.
CREATE TABLE notifier.channels (
    name         text PRIMARY KEY,
    paused_until timestamptz NOT NULL
);

-- A rule stumbled over a fact: no other customer waits for it; the rule is asked again until it works.
CREATE TABLE notifier.stumbles (
    position  bigint NOT NULL,
    rule      text NOT NULL,
    reason    text NOT NULL,
    noted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (position, rule)
);
