"""SpeedDash with nothing kept ready: no hour is marked, nothing runs in the background."""

import sys
from pathlib import Path

from gevent import monkey

monkey.patch_all()

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from speeddash.alerts import Alerts  # noqa: E402
from speeddash.rollups import Rollups  # noqa: E402
from speeddash.server import main  # noqa: E402
from speeddash.store import Store  # noqa: E402

if __name__ == "__main__":
    Store._due_marks = lambda _store, _hours: set()  # type: ignore[method-assign, assignment, return-value]
    Rollups.start = Alerts.start = lambda _self: None  # type: ignore[method-assign, assignment]
    main()
