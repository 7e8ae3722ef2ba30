-- SpeedDash on MySQL 8.0.13+ and MariaDB 10.6+. The server runs this file at start; running it again changes nothing.
--
-- One row a reading. Times are UTC, speeds km/h.
-- (source, timestamp, seq) is a reading's identity: sent again, it is still one row.
-- ascii_bin, because "Car" and "car" are two sources: under a collation that ignores case one would swallow the other's readings.
CREATE TABLE IF NOT EXISTS speed_data (
    source    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    timestamp DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    seq       BIGINT UNSIGNED NOT NULL DEFAULT (UUID_SHORT()),
    speed     DOUBLE NOT NULL,
    PRIMARY KEY (source, timestamp, seq)
) ENGINE = InnoDB;

-- What follows is derived from the readings, or kept beside them. Times are microseconds since the epoch.
--
-- Minutes (width_s 60) and hours (3600) of each source: a pure function of its readings, described in speeddash/stretch.py.
CREATE TABLE IF NOT EXISTS speed_rollup (
    source      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    width_s     SMALLINT UNSIGNED NOT NULL,
    at_us       BIGINT NOT NULL,
    first_us    BIGINT NOT NULL,
    last_us     BIGINT NOT NULL,
    first       DOUBLE NOT NULL,
    last        DOUBLE NOT NULL,
    n           INT UNSIGNED NOT NULL,
    moving      INT UNSIGNED NOT NULL,
    total       DOUBLE NOT NULL,
    minimum     DOUBLE NOT NULL,
    maximum     DOUBLE NOT NULL,
    peak        DOUBLE NULL,
    jumps       INT UNSIGNED NOT NULL,
    distance_km DOUBLE NOT NULL,
    moving_us   BIGINT NOT NULL,
    stops       INT UNSIGNED NOT NULL,
    standing    INT UNSIGNED NOT NULL,
    standing_us BIGINT NULL,
    gap_us      BIGINT NOT NULL,
    PRIMARY KEY (source, width_s, at_us)
) ENGINE = InnoDB;

-- Hours that got or lost readings since they were rolled up.
CREATE TABLE IF NOT EXISTS speed_dirty (
    source    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hour_us   BIGINT NOT NULL,
    marked_us BIGINT NOT NULL,
    PRIMARY KEY (source, hour_us)
) ENGINE = InnoDB;

-- What a source has besides readings: its limit and since when, how far its readings were held against it, from when on they are still there.
CREATE TABLE IF NOT EXISTS speed_source (
    source      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    limit_kmh   DOUBLE NULL,
    limited_us  BIGINT NULL,
    checked_us  BIGINT NULL,
    raw_from_us BIGINT NULL,
    renamed_to  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    PRIMARY KEY (source)
) ENGINE = InnoDB;

-- Stretches above a source's limit, and whether somebody is still to be told.
CREATE TABLE IF NOT EXISTS speed_event (
    source    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    start_us  BIGINT NOT NULL,
    end_us    BIGINT NOT NULL,
    peak      DOUBLE NOT NULL,
    limit_kmh DOUBLE NOT NULL,
    ongoing   TINYINT NOT NULL,
    tell      TINYINT NOT NULL,
    tries     INT UNSIGNED NOT NULL,
    try_us    BIGINT NOT NULL,
    PRIMARY KEY (source, start_us)
) ENGINE = InnoDB;
