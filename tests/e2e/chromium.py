"""Debian's Chromium, headless, driven over the WebDriver protocol with the standard library."""

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]


class Browser:
    """One session of a browser."""

    def __init__(self, driver, session):
        self._url = f"{driver}/session/{session}"

    def open(self, path, width, height=900):
        """Show a file in a window of some width."""
        self._post("window/rect", {"width": width, "height": height})
        self._post("url", {"url": path.resolve().as_uri()})

    def run(self, script):
        """The value that a piece of JavaScript returns."""
        return self._post("execute/sync", {"script": script, "args": []})

    def emulate(self, **parameters):
        """Set media features, such as prefers_color_scheme="dark"."""
        features = [{"name": n.replace("_", "-"), "value": v} for n, v in parameters.items()]
        self.command("Emulation.setEmulatedMedia", features=features)

    def command(self, name, **parameters):
        """One command of the DevTools protocol."""
        return self._post("goog/cdp/execute", {"cmd": name, "params": parameters})

    def console(self):
        """What has been written to the console since the last call, errors of loading included."""
        return [f"{e['level']}: {e['message']}" for e in self._post("se/log", {"type": "browser"})]

    def _post(self, command, payload):
        return _post(f"{self._url}/{command}", payload)


@contextmanager
def browser(profile):
    """A browser with an empty profile; the test is skipped where none is installed."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    with subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout if "started successfully on port" in line)
            address = f"http://127.0.0.1:{line.split()[-1].rstrip('.')}"
            options = {"binary": program, "args": [*_FLAGS, f"--user-data-dir={profile}"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            payload = {"capabilities": {"alwaysMatch": wanted}}
            session = _post(f"{address}/session", payload)["sessionId"]
            try:
                yield Browser(address, session)
            finally:
                request = urllib.request.Request(f"{address}/session/{session}", method="DELETE")
                urllib.request.urlopen(request, timeout=60).close()
        finally:
            process.terminate()


def _post(url, payload):
    data = json.dumps(payload).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(json.load(error)["value"]["message"]) from None
