-- The sufficient statistics of a customer's purchases (scoring/rhythm.py): what value models are
-- fitted on. T, from the first purchase to now, is read off `first_purchase`.
CREATE TABLE read.purchase_rhythm_v1 (
    stream            uuid             PRIMARY KEY,
    position          bigint           NOT NULL,
    last_occurred_at  timestamptz      NOT NULL,
    state             bytea            NOT NULL,
    purchase_days     integer          NOT NULL,
    first_purchase    date,
    last_purchase     timestamptz,
    x                 integer          NOT NULL,
    t_x_weeks         double precision NOT NULL,
    mean_repeat_spend numeric,
    currency          text,
    silence_due_at    timestamptz
) WITH (fillfactor = 70);

COMMENT ON COLUMN read.purchase_rhythm_v1.x IS 'Distinct purchase days after the first.';
COMMENT ON COLUMN read.purchase_rhythm_v1.t_x_weeks IS 'Weeks from the first to the last purchase day.';
COMMENT ON COLUMN read.purchase_rhythm_v1.mean_repeat_spend IS
    'Mean net spend of a repeat day, in `currency`; null without repeats or with two currencies.';
