
CREATE TABLE IF NOT EXISTS speed_data (
    source    TEXT NOT NULL DEFAULT '' CHECK (length(source) <= 64),
    timestamp INTEGER NOT NULL DEFAULT (CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) * 1000),
    seq       INTEGER NOT NULL DEFAULT (ABS(RANDOM() / 2048)),
    speed     REAL NOT NULL,
    PRIMARY KEY (source, timestamp, seq)
) STRICT, WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS speed_rollup (
    source TEXT NOT NULL, width_s INTEGER NOT NULL, at_us INTEGER NOT NULL, first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    first REAL NOT NULL, last REAL NOT NULL, n INTEGER NOT NULL, moving INTEGER NOT NULL, total REAL NOT NULL,
    minimum REAL NOT NULL, maximum REAL NOT NULL, peak REAL, jumps INTEGER NOT NULL, distance_km REAL NOT NULL,
    moving_us INTEGER NOT NULL, stops INTEGER NOT NULL, standing INTEGER NOT NULL, standing_us INTEGER, gap_us INTEGER NOT NULL,
    PRIMARY KEY (source, width_s, at_us)
) STRICT, WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS speed_dirty (
    source TEXT NOT NULL, hour_us INTEGER NOT NULL, marked_us INTEGER NOT NULL,
    PRIMARY KEY (source, hour_us)
) STRICT, WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS speed_source (
    source TEXT NOT NULL, limit_kmh REAL, limited_us INTEGER, checked_us INTEGER, raw_from_us INTEGER, renamed_to TEXT,
    PRIMARY KEY (source)
) STRICT, WITHOUT ROWID
;
CREATE TABLE IF NOT EXISTS speed_event (
    source TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, peak REAL NOT NULL, limit_kmh REAL NOT NULL,
    ongoing INTEGER NOT NULL, tell INTEGER NOT NULL, tries INTEGER NOT NULL, try_us INTEGER NOT NULL,
    PRIMARY KEY (source, start_us)
) STRICT, WITHOUT ROWID
;
