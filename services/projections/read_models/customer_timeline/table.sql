-- One row per event, in the order it happened. The sentence holds no personal value.
CREATE TABLE read.customer_timeline_v1 (
    stream      uuid        NOT NULL,
    occurred_at timestamptz NOT NULL,
    position    bigint      NOT NULL,
    recorded_at timestamptz NOT NULL,
    version     bigint      NOT NULL,
    event_id    text        NOT NULL,
    type        text        NOT NULL,
    schema      text        NOT NULL,
    source      text        NOT NULL,
    simulated   boolean     NOT NULL,
    sentence    text        NOT NULL,
    PRIMARY KEY (stream, occurred_at, position)
);
-- When did each type of event last come in at all? Tells a dead feed from a silent customer.
CREATE INDEX customer_timeline_v1_types ON read.customer_timeline_v1 (type, occurred_at);
