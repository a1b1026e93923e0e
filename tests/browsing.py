"""The walk from a list of studies to the best run within a bound, as a new user walks it in a browser: a test, and the
pictures of reports/browsing.

    python -m tests.browsing HOME STUDY GMACS

takes the pictures again, with the records of STUDY in HOME: the best run at no more than so many GMACs.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.tracking import MlflowClient

from ablate.tracking import studies
from tests.serving import free_port, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium")
PICTURES = Path(__file__).parent.parent / "reports" / "browsing"
DESCRIPTION = "[data-component-id='mlflow.experiment.metadata_editor.expand_button']"
COLOURS = 256  # of a picture: all that MLflow's pages need


@contextmanager
def opened() -> "Iterator[Page]":
    """A page of a new browser, which nobody has used before."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def best(home: Path, study: str, gmacs: float) -> str:
    """The name of the configuration with the smallest test error at no more than so many GMACs."""
    client = MlflowClient(tracking_uri=f"sqlite:///{home.resolve()}/mlflow.db")
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    bound = f"tags.`ablate.kind` = 'configuration' AND metrics.inference_gmacs <= {gmacs}"
    found = client.search_runs([experiment.experiment_id], bound, order_by=["metrics.test_mpjpe_mm ASC"])
    return str(found[0].info.run_name)


def walk(page: "Page", address: str, study: str, run: str, shoot: Callable[[str], object]) -> "Page":
    """Four clicks: the kind of work (the browser remembers it), the study, its description, the run; returns the run's
    page. ``shoot`` is told the name of each stop."""
    page.goto(f"{address}/#/experiments")
    page.get_by_role("link", name=study, exact=True).wait_for()
    shoot("1_studies")
    page.get_by_text("Model training", exact=True).click()
    page.get_by_role("link", name=study, exact=True).click()
    page.get_by_text("matching run").wait_for()
    shoot("2_study")
    page.locator(DESCRIPTION).click()
    link = page.get_by_role("link", name=run, exact=True).first
    link.wait_for()
    shoot("3_description")
    with page.context.expect_page() as fresh:
        link.click()
    fresh.value.set_default_timeout(120_000)
    fresh.value.get_by_text("Lift with the weights of seed").wait_for()
    return fresh.value


def another(page: "Page") -> "Page":
    """A page of a browser that has seen nothing yet."""
    browser = page.context.browser
    assert browser is not None
    fresh = browser.new_context(viewport=page.viewport_size).new_page()
    fresh.set_default_timeout(120_000)
    return fresh


def table(page: "Page", address: str, end: str) -> None:
    """The study's configurations by error, at the address that `ablate ui` prints."""
    page.goto(f"{address}/{end}")
    page.get_by_text("inference_gmacs").first.wait_for()
    page.get_by_text("matching run").wait_for()


def shrunk(path: Path) -> None:
    """A picture with as few colours as it needs, so that it stays small."""
    from PIL import Image

    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def main(home: Path, study: str, gmacs: float) -> None:
    """Take the pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    port, run = free_port(), best(home, study, gmacs)
    address, end = f"http://127.0.0.1:{port}", studies(f"sqlite:///{home.resolve()}/mlflow.db")[study]
    with tempfile.TemporaryDirectory() as folder, opened() as page:

        def shoot(name: str, of: "Page" = page) -> None:
            of.wait_for_timeout(5_000)  # tables and pictures come one after the other
            of.screenshot(path=PICTURES / f"{name}.png")

        with serving(["ablate", "--home", str(home.resolve()), "ui"], port, Path(folder)):
            shoot("4_run", walk(page, address, study, run, shoot))
            fresh = another(page)  # in the other one the description is still open
            table(fresh, address, end)
            shoot("5_by_error", fresh)
    for path in PICTURES.glob("*.png"):
        shrunk(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
