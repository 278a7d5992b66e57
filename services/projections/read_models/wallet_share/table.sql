-- What is known of a customer's spend by category, here and elsewhere.
CREATE TABLE read.wallet_share_v1 (
    stream           uuid        PRIMARY KEY,
    position         bigint      NOT NULL,
    last_occurred_at timestamptz NOT NULL,
    state            bytea       NOT NULL,
    categories       integer     NOT NULL
) WITH (fillfactor = 70);
