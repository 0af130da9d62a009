"""A shop over real HTTP that can commit and then cut the connection before it answers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Shop:
    """``cuts``: how many answers are lost after what was asked for is done; ``before``: before it is done."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {"7": {"id": "7", "state": "paid", "refunds": 0, "note": ""}}
        self.keys: dict[str, Any] = {}
        self.cuts = 0
        self.before = 0
        self.wrong = False
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def do_GET(self) -> None:
                self._answer(shop.orders.get(self.path.rpartition("/")[2], {}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if shop.before:
                    shop.before -= 1
                    self.connection.close()
                    return
                done = shop.do(self.path, body)
                if shop.cuts:
                    shop.cuts -= 1
                    self.connection.close()
                    return
                self._answer(done)

            def _answer(self, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def do(self, path: str, body: dict[str, Any]) -> Any:
        if path == "/order":
            name = str(len(self.orders) + 1)
            self.orders[name] = {
                "id": name,
                "what": "nothing" if self.wrong else body["what"],
                "state": "open",
            }
            return self.orders[name]
        found = self.orders[body["order_id"]]
        if path == "/refund":
            if body.get("key") and body["key"] in self.keys:
                return self.keys[body["key"]]
            found.update(state="refunded", refunds=found["refunds"] + 1)
            self.keys[body.get("key", "")] = dict(found)
        elif path == "/mark":
            found["note"] = body["note"]
        else:
            found["state"] = "cancelled"
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
