"""A web server that takes the events of the webhook."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hook:
    """Takes events, or answers with the given statuses.

    Attributes:
        got: Bodies, in the order of their arrival.
        keys: `Idempotency-Key` of each.
        answers: Statuses of the next answers; 200 without one.
    """

    def __init__(self):
        self.got, self.keys, self.answers = [], [], []
        hook = self

        class Taker(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append(json.loads(body))
                hook.keys.append(self.headers["Idempotency-Key"])
                self.send_response(hook.answers.pop(0) if hook.answers else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?key=secret"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
