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
