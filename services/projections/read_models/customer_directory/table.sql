-- Who is there, since when, and how much has happened. Spend is net of returns, in the currency
-- most was spent in; the state keeps every currency apart.
CREATE TABLE read.customer_directory_v1 (
    stream           uuid        PRIMARY KEY,
    position         bigint      NOT NULL,
    last_occurred_at timestamptz NOT NULL,
    state            bytea       NOT NULL,
    first_seen       timestamptz,
    last_seen        timestamptz,
    events           bigint      NOT NULL,
    simulated        bigint      NOT NULL,
    purchases        bigint      NOT NULL,
    last_purchase    timestamptz,
    last_contact     timestamptz,
    spend_amount     numeric,
    spend_currency   text
) WITH (fillfactor = 70);
