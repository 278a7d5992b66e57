-- The inner nodes of the ledger's tree, as C2SP tlog-tiles: 256 hashes of 32 bytes a tile, tile level 0
-- over leaves, level L over the roots of level L-1. Only full tiles stand here; they are written behind
-- the appends, can be made again from ledger.events, and decide nothing.

CREATE TABLE ledger.tiles (
    level  smallint NOT NULL CHECK (level >= 0),
    index  bigint   NOT NULL CHECK (index >= 0),
    root   bytea    NOT NULL CHECK (octet_length(root) = 32),
    hashes bytea    NOT NULL CHECK (octet_length(hashes) = 32 * 256),
    PRIMARY KEY (level, index)
);
-- Hashes do not compress. Out of line, reading many roots touches no hashes.
ALTER TABLE ledger.tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

COMMENT ON TABLE ledger.tiles IS 'Full tiles of the RFC 6962 tree; made from ledger.events.leaf, never needed for correctness.';
COMMENT ON COLUMN ledger.tiles.root IS 'The hash over all of the tile: its entry in the tile above.';
