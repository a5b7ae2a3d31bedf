"""What a user sees: NNI's web UI of a running experiment, in a real browser; screenshots in ``$SSR_NAS_ARTIFACTS``."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs Debian's chromium and chromium-driver"),
]
# Nothing of the browser's own leaves the machine.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
FLAGS = (*FLAGS, "--disable-component-update", "--disable-sync", "--window-size=1500,1300")

EXPERIMENT = """
experimentName: seen
trialCommand: OMP_NUM_THREADS=1 ssr-nas trial --config search.yml
trialCodeDirectory: .
searchSpaceFile: search_space.json
trialConcurrency: 1
maxTrialNumber: 2
tuner: {name: GridSearch}
trainingService: {platform: local}
"""
SEARCH = """
epochs: 60
device: cpu
data: {size: 32x32, limit: 32, batch: 4}
space: {stem: 4, widths: [8, 12], dilations: [1, 2], depths: [[1, 2], [1, 2]], span: 4, step: 4}
"""
SPACE = {"strategy": {"_type": "choice", "_value": ["unheard-of", "darts"]}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The web UI of an experiment whose first trial fails and whose second runs for a while."""
    folder = tmp_path_factory.mktemp("seen")
    for name, text in (
        ("experiment.yml", EXPERIMENT),
        ("search.yml", SEARCH),
        ("search_space.json", json.dumps(SPACE)),
    ):
        (folder / name).write_text(text)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "home").mkdir()
    command = [
        sys.executable,
        "-m",
        "experiments.cli",
        "launch",
        str(folder / "experiment.yml"),
        "--port",
        str(port),
        "--keep",
        "true",
    ]
    environment = {**os.environ, "HOME": str(folder / "home")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        until(lambda: trials(f"http://127.0.0.1:{port}"), 60, lambda: (folder / "log").read_text())
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def trials(url: str) -> list[dict[str, Any]]:
    try:
        with urllib.request.urlopen(f"{url}/api/v1/nni/trial-jobs", timeout=60) as answer:
            return list(json.loads(answer.read()))
    except (OSError, ValueError):  # its first word is no JSON
        return []


def until(condition: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> Any:
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, explain()
        time.sleep(0.5)
    return result


def keep(browser: webdriver.Chrome, name: str) -> None:
    folder = os.environ.get("SSR_NAS_ARTIFACTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def body(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def test_a_failed_trial_tells_why_and_the_other_goes_on(url: str, browser: webdriver.Chrome) -> None:
    failed, running = until(
        lambda: len(trials(url)) == 2 and trials(url)[1]["status"] in ("RUNNING", "SUCCEEDED") and trials(url), 60
    )
    assert failed["status"] == "FAILED"
    reason = (
        urllib.request.urlopen(f"{url}/api/v1/nni/trial-file/{failed['trialJobId']}/trial.stderr", timeout=60)
        .read()
        .decode()
    )
    assert len(reason.splitlines()) == 1 and "unheard-of" in reason
    browser.get(f"{url}/detail")
    WebDriverWait(browser, 60).until(lambda page: "FAILED" in body(page) and failed["trialJobId"] in body(page))
    assert running["trialJobId"] in body(browser)
    keep(browser, "trials")


def test_the_intermediate_curve_grows_while_the_trial_runs(url: str, browser: webdriver.Chrome) -> None:
    running = until(lambda: [trial for trial in trials(url) if trial["status"] == "RUNNING"], 60)[0]

    def reported() -> list[Any]:
        with urllib.request.urlopen(f"{url}/api/v1/nni/metric-data/{running['trialJobId']}", timeout=60) as answer:
            return [metric for metric in json.loads(answer.read()) if metric["type"] == "PERIODICAL"]

    until(lambda: len(reported()) >= 3, 60)
    browser.get(f"{url}/detail")
    WebDriverWait(browser, 60).until(lambda page: running["trialJobId"] in body(page) and "LATEST" in body(page))
    browser.find_elements(By.CSS_SELECTOR, "button[title=Intermediate]")[-1].click()
    WebDriverWait(browser, 60).until(lambda page: page.find_elements(By.CSS_SELECTOR, ".ms-Modal canvas"))
    time.sleep(2)  # the curve is drawn with an animation
    keep(browser, "intermediate")
    browser.find_elements(By.CSS_SELECTOR, ".ms-Modal .ms-Dropdown")[-1].click()
    # Not the visible text: the list is longer than the window and may be scrolled.
    names = [item.get_attribute("textContent") for item in browser.find_elements(By.CSS_SELECTOR, ".ms-Dropdown-item")]
    assert {"default", "loss", "entropy", "alive", "expected_macs", "images_per_s"} <= set(names)
    assert running["status"] == "RUNNING" and [metric["sequence"] for metric in reported()[:3]] == [0, 1, 2]


def test_the_search_space_is_shown(url: str, browser: webdriver.Chrome) -> None:
    browser.get(f"{url}/oview")
    WebDriverWait(browser, 60).until(lambda page: "seen" in body(page))
    keep(browser, "overview")
    browser.find_element(By.CSS_SELECTOR, "img[alt=search-space]").click()
    WebDriverWait(browser, 60).until(
        lambda page: "unheard-of" in "".join(e.text for e in page.find_elements(By.CSS_SELECTOR, ".view-lines"))
    )
    keep(browser, "search_space")


def test_the_tensorboard_button_opens_the_curves_of_a_trial(url: str, browser: webdriver.Chrome) -> None:
    trial = next(trial for trial in trials(url) if trial["status"] in ("RUNNING", "SUCCEEDED"))
    request = urllib.request.Request(
        f"{url}/api/v1/nni/tensorboard",
        data=json.dumps({"trials": trial["trialJobId"]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        task = json.loads(answer.read())
    page = f"http://127.0.0.1:{task['port']}"

    def answers() -> bool:
        try:
            tags = json.loads(urllib.request.urlopen(f"{page}/data/plugin/scalars/tags", timeout=60).read())
        except OSError:
            return False
        return any("miou" in scalars for scalars in tags.values())

    until(answers, 60)
    for address in subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split():
        with pytest.raises(OSError):  # TensorBoard has no login either
            socket.create_connection((address, int(task["port"])), timeout=3)
