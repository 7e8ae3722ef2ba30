-- The whole current schema of SpeedDash on MySQL 8.0.13+ and MariaDB 10.6+. The server runs it at start; it creates what is missing.
--
-- One row a reading. Times are UTC, speeds km/h.
-- (source, timestamp, seq) is a reading's identity: sent again, it is still one row.
-- A row without seq gets one below 2^63, as those of senders are: UUID_SHORT begins with the server_id.
-- ascii_bin, because "Car" and "car" are two sources: under a collation that ignores case their readings would be taken for the same.
CREATE TABLE IF NOT EXISTS speed_data (
    source    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    timestamp DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    seq       BIGINT UNSIGNED NOT NULL DEFAULT (UUID_SHORT() & 9223372036854775807),
    speed     DOUBLE NOT NULL,
    PRIMARY KEY (source, timestamp, seq)
) ENGINE = InnoDB;

-- The following tables are derived from the readings, or hold settings. Times are microseconds since the epoch.
--
-- Minutes (width_s 60) and hours (3600) of each source, of hours with very many readings also seconds (1): a pure function of its
-- readings, described in speeddash/segment.py.
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

-- Dirty hours: readings were added or removed since they were rolled up.
CREATE TABLE IF NOT EXISTS speed_dirty (
    source    VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hour_us   BIGINT NOT NULL,
    marked_us BIGINT NOT NULL,
    PRIMARY KEY (source, hour_us)
) ENGINE = InnoDB;

-- Settings of a source: its limit and when it was set, the moment up to which readings were checked against it, the moment before which
-- readings were removed for their age, the new name while a rename is under way, and the name that people see.
CREATE TABLE IF NOT EXISTS speed_source (
    source      VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    limit_kmh   DOUBLE NULL,
    limited_us  BIGINT NULL,
    checked_us  BIGINT NULL,
    raw_from_us BIGINT NULL,
    renamed_to  VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    display_name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    PRIMARY KEY (source)
) ENGINE = InnoDB;

-- Events above a source's limit. tell is 1 while the delivery to the webhook is pending, tries counts deliveries, try_us is when the next is due.
-- notice is what is to be notified: 0 nothing, 1 the begin, 2 the end, 3 nothing any more; notice_tries and notice_us as tries and try_us.
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
    notice       TINYINT NOT NULL DEFAULT 0,
    notice_tries INT UNSIGNED NOT NULL DEFAULT 0,
    notice_us    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (source, start_us),
    KEY speed_event_delivery (tell, ongoing, try_us),
    KEY speed_event_notice (notice, notice_us)
) ENGINE = InnoDB;

-- Names, notes and tags that people gave to trips. A row belongs to the trip of its source that start_us is in.
CREATE TABLE IF NOT EXISTS speed_trip (
    source   VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    start_us BIGINT NOT NULL,
    name     VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    note     VARCHAR(1000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    tag      VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (source, start_us)
) ENGINE = InnoDB;

-- Servers that use this database together: a random name, the address at which the others reach it, the number of readings that it has
-- committed, and when it counts as gone.
CREATE TABLE IF NOT EXISTS speed_node (
    node       CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    url        VARCHAR(200) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    committed  BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (node)
) ENGINE = InnoDB;

-- What one server at a time may do: which one does it, the term, which grows when it passes to another, and when another may take it.
CREATE TABLE IF NOT EXISTS speed_lease (
    name       VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    node       CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    term       BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB;

-- Versions of this schema that were applied. A change of a table that exists is a migration: speeddash/store/migrations.py.
CREATE TABLE IF NOT EXISTS speed_schema (
    version INT UNSIGNED NOT NULL,
    PRIMARY KEY (version)
) ENGINE = InnoDB;
