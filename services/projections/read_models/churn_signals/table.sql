-- Which churn signals are open, and how many were found too late to alert anyone.
CREATE TABLE read.churn_signals_v1 (
    stream           uuid        PRIMARY KEY,
    position         bigint      NOT NULL,
    last_occurred_at timestamptz NOT NULL,
    state            bytea       NOT NULL,
    open_signals     integer     NOT NULL,
    missed_signals   integer     NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX churn_signals_v1_open ON read.churn_signals_v1 (stream) WHERE open_signals > 0;
