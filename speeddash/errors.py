"""The errors that SpeedDash raises.

    SpeedDashError
    ├── SettingsError         a setting is unknown or has an invalid value
    ├── InvalidInput          a frame, query, row or option of a client is invalid
    ├── StoreError            the database did not execute a statement
    │   ├── StoreUnavailable    it may succeed later
    │   │   ├── LeaseLost         another server does this work now
    │   │   └── RowsLocked        another transaction was in the way
    │   ├── StoreMisconfigured  an operator must act
    │   └── ReadingsRefused     the database rejects these readings
    ├── SourceTaken           a source cannot get the name of another one
    ├── RenameUnderWay        a source is being renamed to another name
    ├── MergeRefused          two sources cannot become one
    ├── NotStored             the wait for a commit ended without one; the outcome is unknown
    ├── RecordingError        a recording cannot be read or sent
    ├── OutboxError           the outbox of a device cannot be used
    └── DeviceAway            a device gives no readings now

Errors of libraries are translated where they occur (those of databases in `store.mysql` and `store.sqlite`).
"""


class SpeedDashError(Exception):
    """Base class. Every message may be shown to a person."""


class SettingsError(SpeedDashError):
    """A setting is unknown or invalid.

    Attributes:
        key: The name as the person wrote it, for example `SPEEDDASH_PORT`.
    """

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")


class InvalidInput(SpeedDashError):
    """Invalid input of a client: a frame, a query, a row of a file, or an option.

    Attributes:
        code: Stable word for programs, for example `bad_speed`.
        index: Position of the reading within the frame; None where the frame as a whole is wrong.
    """

    def __init__(self, code: str, message: str, index: int | None = None) -> None:
        self.code = code
        self.message = message
        self.index = index
        super().__init__(message)

    def as_dict(self) -> dict[str, str | int]:
        """Return the `error` member of an error frame; with `index` if one reading is invalid."""
        answer: dict[str, str | int] = {"code": self.code, "message": self.message}
        if self.index is not None:
            answer["index"] = self.index
        return answer


class StoreError(SpeedDashError):
    """The database did not execute a statement."""


class StoreUnavailable(StoreError):
    """The database is unavailable or busy; the same statement may succeed later."""


class LeaseLost(StoreUnavailable):
    """Another server on this database does this work now, or has changed a source meanwhile; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"another server has taken over ({name})")


class RowsLocked(StoreUnavailable):
    """Another transaction holds rows that this one needs, or waits for rows that this one holds; nothing was written."""


class StoreMisconfigured(StoreError):
    """An operator must act: wrong password, no such database, table of another shape, disk full."""


class ReadingsRefused(StoreError):
    """The database rejects at least one of these readings; none of them was stored."""


class SourceTaken(SpeedDashError):
    """A source cannot be renamed: the name has readings or a limit of its own.

    Attributes:
        name: The name that was asked for.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is a source {name} already; delete it first, or take another name")


class RenameUnderWay(SpeedDashError):
    """A source cannot be renamed: an earlier rename to another name has begun and not ended.

    Attributes:
        name: The name of the earlier rename.
    """

    def __init__(self, source: str, name: str) -> None:
        self.name = name
        super().__init__(
            f"{source} is being renamed to {name}; rename it to {name} again to complete that, then rename {name}"
        )


class MergeRefused(SpeedDashError):
    """Two sources cannot become one: readings of one of them were removed, and rollups of two sources cannot be joined.

    Attributes:
        source: The source whose readings were removed.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"old readings of {source} were removed, and what is left of them cannot be merged")


class NotStored(SpeedDashError):
    """The wait for a commit ended without one.

    The readings may still be committed later; sending them again with the same timestamp and `seq` is safe.
    """


class RecordingError(SpeedDashError):
    """A recording cannot be read or sent; the message names the file or server and the reason."""


class OutboxError(SpeedDashError):
    """The file that holds readings until they are echoed cannot be used; the message names it and the reason."""


class DeviceAway(SpeedDashError):
    """A device, or the program in front of it, cannot be reached or has ended; it may come back."""
