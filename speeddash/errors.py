"""Every error that SpeedDash raises on purpose.

    SpeedDashError
    ├── SettingsError         a knob is unknown or has a value it cannot take
    ├── InvalidInput            a frame breaks the wire contract; nothing of it is stored
    ├── StoreError            the database did not take a statement
    │   ├── StoreUnavailable  it may take it later: try again
    │   ├── StoreMisconfigured  only an operator can mend it
    │   ├── ReadingsRefused   it will never take these readings
    │   └── ChunksTooLong     it takes them in shorter statements alone: encode them again
    ├── SourceTaken           a source cannot get a name that another one has
    ├── RenameUnderWay        a source is being renamed to another name
    ├── NotStored             the wait for a commit ended without one; the outcome is open
    └── RecordingError            a recorded drive cannot be read

Foreign errors are mapped where they arise (the store's in `store.mysql` and `store.sqlite`), so that the edges catch one class.
"""


class SpeedDashError(Exception):
    """The root: everything below carries a message that may be shown to a person."""


class SettingsError(SpeedDashError):
    """A setting is unknown or wrong.

    Attributes:
        key: The name as the person wrote it, for example `SPEEDDASH_PORT`.
    """

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        super().__init__(f"{key}: {problem}")


class InvalidInput(SpeedDashError):
    """A frame that breaks the wire contract.

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
        """The `error` member of an error frame; `index` only where one reading is to blame."""
        answer: dict[str, str | int] = {"code": self.code, "message": self.message}
        if self.index is not None:
            answer["index"] = self.index
        return answer


class StoreError(SpeedDashError):
    """The database did not take a statement."""


class StoreUnavailable(StoreError):
    """The database is away or busy; the same statement may succeed later."""


class StoreMisconfigured(StoreError):
    """Only an operator can mend it: wrong password, no such database, table of another shape, disk full."""


class ReadingsRefused(StoreError):
    """The database will never take at least one of these readings; none of them was stored."""


class ChunksTooLong(StoreError):
    """The database takes shorter statements than when the readings were encoded; nothing was sent."""


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


class NotStored(SpeedDashError):
    """The wait for a commit ended without one.

    The readings may still be committed later; sending them again with the same timestamp and `seq` is safe.
    """


class RecordingError(SpeedDashError):
    """A recorded drive cannot be read; the message names the file and what is missing."""
