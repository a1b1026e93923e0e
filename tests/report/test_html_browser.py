"""report.html in a real browser: it works by pointer and by keyboard, in light, dark, on a phone and on paper, asks
nothing of the network, and axe-core finds nothing wrong."""

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ablate import report
from ablate.report import front, results
from tests.report import factory, posing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CHROMIUM = shutil.which("chromium")
IN_CI = "ABLATE_CI" in os.environ
DESK, PHONE = (1300, 900), (360, 740)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None and not IN_CI, reason="no chromium on this machine"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("html")
    records = posing.study((0, 1), hypotheses=3, steps=2)
    dirty = dataclasses.replace(records[0], provenance={**records[0].provenance, "dirty": True})
    report.write([dirty, *records[1:]], factory.about(acknowledgement="Thanks to the people who moved."), made)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture
def opened(browser: "Browser", folder: Path) -> Iterator[Any]:
    """A function that opens the page, with a window's size and a scheme. At the end nothing was said on the console,
    and no address but the page's own was asked for."""
    said: list[str] = []
    asked: list[str] = []
    contexts = []

    def open_page(size: tuple[int, int] = DESK, scheme: Any = "light", path: Path = folder / "report.html") -> "Page":
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce", offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith("data:") else asked.append(request.url))
        page.goto(path.as_uri())
        page.locator("#plot .point").first.wait_for()
        allowed.add(path.as_uri())
        return page

    allowed: set[str] = set()
    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert set(asked) == allowed
    assert len(asked) == len(contexts)


def labels(page: "Page") -> list[str]:
    """The shown points' configurations, rising along the first axis."""
    return [str(p.get_attribute("aria-label")).split(": ")[0] for p in page.locator("#plot .point").all()]


def painted(locator: "Locator", name: str) -> str:
    return str(locator.evaluate("(element, name) => getComputedStyle(element)[name]", name))


def test_pointing_says_what_a_configuration_is(opened: Any) -> None:
    page = opened()
    point = page.locator("#plot .point").nth(3)
    point.hover()
    tip = page.locator("#plot .tip")
    tip.wait_for()
    assert labels(page)[3] in tip.inner_text()
    assert "MPJPE (mm): " in tip.inner_text()
    assert "2 seeds" in tip.inner_text()
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")


def test_a_click_shows_frames_and_skeletons_that_play_and_turn(opened: Any) -> None:
    page = opened()
    point = page.locator("#plot .point").first
    point.click()
    chosen = page.locator("#chosen")
    assert chosen.locator("h3").inner_text() == labels(page)[0]
    assert point.get_attribute("aria-pressed") == "true"
    assert chosen.locator(".strip .ticks").count() == 2
    bones = chosen.locator(".skeletons .bones")
    assert bones.count() == 3 + 2  # hypotheses, truth, pose
    limbs = chosen.locator(".skeletons .pose path")
    facts = chosen.locator(".facts")
    assert facts.inner_text().startswith("Frame 1 of 81, kept by TCEP")

    def drawn() -> str:
        return str(limbs.last.get_attribute("d"))

    before = drawn()
    page.get_by_label("View, degrees").fill("120")
    assert drawn() != (turned := before)
    before = drawn()
    page.get_by_label("Frame", exact=True).fill("40")
    assert facts.inner_text().startswith("Frame 41 of 81")
    assert drawn() not in (before, turned)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => !document.querySelector('.facts').textContent.startsWith('Frame 41 ')")
    page.get_by_role("button", name="Play").click()
    before = drawn()
    page.get_by_role("button", name="Turn").press("Enter")
    page.wait_for_function(
        "(d) => [...document.querySelectorAll('.skeletons .pose path')].at(-1).getAttribute('d') !== d", arg=before
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_left_and_right_differ_in_grey_too(opened: Any, scheme: str) -> None:
    page = opened(scheme=scheme)
    page.locator("#plot .point").first.click()
    chosen = page.locator("#chosen")
    for look in ("pose", "hypothesis"):
        left, right = (chosen.locator(f".skeletons .{look} .{side}").first for side in ("left", "right"))
        assert luma(painted(right, "stroke")) > luma(painted(left, "stroke")) + 60
        assert str(left.get_attribute("d")).count("M") == str(right.get_attribute("d")).count("M") == 6
    assert len({painted(path, "stroke") for path in chosen.locator(".skeletons .truth path").all()}) == 1
    assert chosen.locator(".legend li").all_inner_texts() == [
        "ground truth",
        "this configuration, left side",
        "its right side",
        "its hypotheses (3)",
    ]


def luma(colour: str) -> float:
    """How bright "rgb(r, g, b)" is in greyscale, 0 to 255 (ITU-R BT.601)."""
    return sum(
        share * int(value) for share, value in zip((0.299, 0.587, 0.114), re.findall(r"\d+", colour), strict=True)
    )


def test_every_point_is_reached_by_keyboard_and_seen_to_be(opened: Any) -> None:
    page = opened()
    every = labels(page)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('point')"):
            break
    reached = []
    for _ in every:
        focused = page.locator("#plot .point:focus-visible")
        reached.append(str(focused.get_attribute("aria-label")).split(": ")[0])
        assert painted(focused.locator(".ring"), "strokeWidth") == "3.5px"
        assert reached[-1] in page.locator("#plot .tip").inner_text()
        page.keyboard.press("ArrowRight")
    assert reached == every
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.locator("#chosen h3").inner_text() == every[0]
    page.keyboard.press("Escape")
    assert page.locator("#plot .tip").is_hidden()


def test_groups_toggle_and_the_front_is_the_reports(opened: Any) -> None:
    page = opened()
    about = factory.about()
    records = results.ordered(posing.study((0, 1), hypotheses=3, steps=2), about)
    best = front.front(results.results(records, about), about)
    assert best is not None
    on_front = page.locator("#plot .on-front").all()
    shown = [str(point.get_attribute("aria-label")).split(": ")[0] for point in on_front]
    assert sorted(shown) == sorted(best.points.loc[best.points["front"], "label"])
    line = page.locator("#plot path.front").get_attribute("d")
    button = page.get_by_role("button", name="htp", exact=True)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert not [label for label in labels(page) if label.startswith("htp")]
    assert page.locator("#plot path.front").get_attribute("d") != line
    button.press("Enter")
    assert page.locator("#plot path.front").get_attribute("d") == line


def test_axes_can_be_chosen(opened: Any) -> None:
    page = opened()
    page.locator("#axis-x").select_option(label="speed (frames/s)")
    page.locator("#axis-y").select_option(label="P-MPJPE (mm)")
    titles = page.locator("#plot .title").all_text_contents()
    assert titles == ["speed (frames/s)", "P-MPJPE (mm)"]
    values = [
        float(str(p.get_attribute("aria-label")).split("frames/s) ")[1].split(",")[0])
        for p in page.locator("#plot .point").all()
    ]
    assert values == sorted(values)
    assert page.locator("#plot .on-front").count() >= 1
    page.locator("#axis-x").select_option(label="tcep.keep_ratio")
    assert "d3dp" not in labels(page), "the baseline sweeps nothing"
    assert page.locator("#plot path.front").count() == 0


def test_tables_sort_by_click_and_keyboard(opened: Any) -> None:
    page = opened()
    table = page.locator("#table-main table")
    head = table.get_by_role("columnheader", name="MPJPE (mm)", exact=True)
    place = int(head.evaluate("head => head.cellIndex"))

    def values() -> list[float]:
        return [
            float(text.split()[0]) for text in table.locator(f"tbody tr > :nth-child({place + 1})").all_inner_texts()
        ]

    came = values()
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(came) != came
    head.get_by_role("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(came, reverse=True)
    head.get_by_role("button").press(" ")
    assert head.get_attribute("aria-sort") == "none"
    assert values() == came
    assert table.locator("tbody th[scope=row]").count() == len(came)


@pytest.mark.parametrize(("size", "scheme"), [(DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_nothing_is_hard_to_read_or_reach(opened: Any, size: tuple[int, int], scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(size, scheme)
    page.locator("#plot .point").first.press("Enter")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []
    page.get_by_role("button", name="Light or dark").click()
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_a_phone_never_scrolls_the_page_sideways(opened: Any) -> None:
    page = opened(PHONE)
    page.locator("#plot .point").first.click()
    page.evaluate("for (const part of document.querySelectorAll('section')) part.style.contentVisibility = 'visible'")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= PHONE[0]
    assert page.evaluate("document.querySelector('#table-main .scroll').scrollWidth") > PHONE[0]


def test_the_theme_follows_the_system_until_told_otherwise(opened: Any) -> None:
    page = opened(scheme="dark")
    body = page.locator("body")
    dark = painted(body, "backgroundColor")
    page.get_by_role("button", name="Light or dark").click()
    light = painted(body, "backgroundColor")
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 27)")
    assert painted(opened().locator("body"), "backgroundColor") == light


def test_paper_is_white_whole_and_without_controls(opened: Any) -> None:
    page = opened(scheme="dark")
    page.locator("#plot .point").first.click()
    page.emulate_media(media="print")
    assert painted(page.locator("body"), "backgroundColor") == "rgb(255, 255, 255)"
    assert not [
        button for button in page.locator("button:visible").all() if not button.evaluate("b => b.closest('th')")
    ]
    assert page.locator("input:visible, select:visible, nav:visible").count() == 0
    assert {painted(box, "overflow") for box in page.locator(".scroll").all()} == {"visible"}
    assert {painted(part, "contentVisibility") for part in page.locator("section").all()} == {"visible"}
    assert page.locator("#plot .point").count() == 12


def test_what_was_typed_is_shown_and_never_run(opened: Any, tmp_path: Path) -> None:
    typed = "</script><script>alert(1)</script><img src='http://example.org/x' onerror=alert(2)>"
    records = [
        dataclasses.replace(r, label=f"{r.label} {typed}", group=f"{r.group} {typed}") for r in posing.study((0,))
    ]
    report.write(records, factory.about(name="typed", question=typed, baseline=f"d3dp {typed}"), tmp_path)
    page = opened(path=tmp_path / "report.html")
    assert page.locator(".question").inner_text() == typed
    page.locator("#plot .point").first.click()
    assert page.locator("#chosen h3").inner_text().endswith(typed)
