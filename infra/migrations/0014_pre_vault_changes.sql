-- How often the vault took something back: an erasure, a suppression or a release counts up, in its
-- own transaction. What a program remembers of customers holds while this number stands still.
ALTER TABLE vault.master ADD COLUMN changes bigint NOT NULL DEFAULT 0;
