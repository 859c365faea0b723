"""Headless Firefox by WebDriver BiDi, with the network cut: what tests of our pages need."""

import contextlib
import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

# No host is asked for anything: what is not a file goes to a proxy that does not exist.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
}
WATCHED = ["log.entryAdded", "network.beforeRequestSent"]


class Page:
    """A tab of Firefox: `goto`, `evaluate`, and what it complained of or asked the network for."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(f"{address}/session", suppress_origin=True)
        self.numbers = itertools.count(1)
        self.complaints: list[str] = []
        self.ask("session.new", capabilities={})
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]
        self.ask("session.subscribe", events=WATCHED)

    def ask(self, method: str, **parameters: Any) -> Any:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != number:
            self.note(answer)
        assert answer["type"] == "success", answer
        return answer["result"]

    def note(self, event: dict[str, Any]) -> None:
        said = event["params"]
        if event["method"] == "network.beforeRequestSent":
            url = said["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                self.complaints.append(url)
        elif said["level"] == "error":
            self.complaints.append(said["text"])

    def goto(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    def close(self) -> None:
        self.socket.close()

    def evaluate(self, function: str, argument: Any = None) -> Any:
        """What a function of JavaScript returns for an argument, both as JSON."""
        expression = f"(async () => JSON.stringify(await ({function})({json.dumps(argument)})))()"
        found = self.ask(
            "script.evaluate",
            expression=expression,
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"].get("value", "null"))


@contextlib.contextmanager
def firefox(program: str, profile: Path) -> Iterator[Page]:
    """A tab in a Firefox of its own, whose profile is an empty folder."""
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    words = [program, "--headless", "--no-remote", "--profile", str(profile)]
    words += ["--remote-debugging-port", "0"]
    server = profile / "WebDriverBiDiServer.json"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 90
            while not server.exists() or not (told := server.read_text()):
                assert process.poll() is None and time.monotonic() < end, "Firefox did not start"
                time.sleep(0.1)
            address = json.loads(told)
            with contextlib.closing(
                Page(f"ws://{address['ws_host']}:{address['ws_port']}")
            ) as page:
                yield page
        finally:
            process.kill()
