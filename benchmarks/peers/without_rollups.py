"""SpeedDash with nothing kept ready: no hour is marked, nothing runs in the background."""

import sys
from pathlib import Path

from gevent import monkey

monkey.patch_all()

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from speeddash.alerts.alerts import Alerts  # noqa: E402
from speeddash.history.worker import RollupWorker  # noqa: E402
from speeddash.server import main  # noqa: E402
from speeddash.store import ReadingWriter  # noqa: E402

if __name__ == "__main__":
    ReadingWriter._due_marks = lambda _writer, _hours: set()  # type: ignore[method-assign, assignment, return-value]
    RollupWorker.start = Alerts.start = lambda _self: None  # type: ignore[method-assign, assignment]
    main()
