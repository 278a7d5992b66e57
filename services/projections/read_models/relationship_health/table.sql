-- What health is scored from, at any instant, under the default policy. Scores are computed when
-- asked for: they fade with time, so none is stored.
CREATE TABLE read.relationship_health_v1 (
    stream           uuid        PRIMARY KEY,
    position         bigint      NOT NULL,
    last_occurred_at timestamptz NOT NULL,
    state            bytea       NOT NULL
) WITH (fillfactor = 70);
