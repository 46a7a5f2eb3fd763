"""The page in a real browser: what a person does with it."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

Site = Any  # see conftest
PATIENCE_S = 60
PHONE = {"width": 390, "height": 844}

QUERY = "a red star"
NONSENSE = "a dog catches a frisbee on the beach"


def search(page: Page, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text(re.compile(r"moments? in|No good match"))


def wait(page: Page, expression: str) -> None:
    """Until it is true. The page's policy forbids `eval`, and with it Playwright's own `wait_for_function`."""
    until = time.monotonic() + PATIENCE_S
    while not page.evaluate(expression):
        assert time.monotonic() < until, f"not true within {PATIENCE_S} s: {expression}"
        page.wait_for_timeout(50)


def seconds(page: Page) -> float:
    return float(page.evaluate("document.getElementById('video').currentTime"))


def open_first(page: Page) -> None:
    page.locator("#results .card").first.click()
    wait(page, "document.getElementById('video').readyState >= 2")


def test_search_and_play_from_the_hit(page: Page) -> None:
    search(page, QUERY)
    answer = page.request.post("/v1/search", data={"query": QUERY, "top_k": 24}).json()
    assert answer["good"]
    expect(page.locator("#results .card")).to_have_count(len(answer["results"]))
    expect(page.locator("#results .score").first).to_have_text(f"{answer['results'][0]['score']:.3f}")
    wait(page, "document.querySelector('#results img').naturalWidth > 0")
    late = next(at for at, hit in enumerate(answer["results"]) if hit["start"] > 1)
    page.locator("#results .card").nth(late).click()
    start = answer["results"][late]["start"]
    wait(page, "document.getElementById('video').readyState >= 2")
    wait(page, f"document.getElementById('video').currentTime >= {start} - 0.1")
    assert start - 0.1 <= seconds(page) < start + 5
    wait(page, f"document.getElementById('video').currentTime > {start} + 0.3")  # it plays
    expect(page).to_have_url(re.compile(f"video={answer['results'][late]['video_id']}"))


def test_words_typed_while_the_page_still_loads_are_kept(page: Page) -> None:
    held: list[Route] = []
    page.route(re.compile(r"/v1/folders"), lambda route: held.append(route))
    page.goto("/")
    page.locator("#query").focus()
    page.keyboard.type(QUERY)
    assert held
    held[0].continue_()
    wait(page, "document.querySelectorAll('#folder option').length > 1")
    expect(page.locator("#query")).to_have_value(QUERY)


def test_the_curve_and_its_moments_are_clickable(page: Page) -> None:
    search(page, QUERY)
    open_first(page)
    curve = page.locator("#curve svg")
    expect(curve.locator("path.smooth")).to_have_count(1)
    expect(curve.locator("rect.band")).to_have_count(page.locator("#moments button").count())
    page.evaluate("document.getElementById('video').pause()")
    box, duration = curve.bounding_box(), page.evaluate("document.getElementById('video').duration")
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 40)
    wait(page, f"Math.abs(document.getElementById('video').currentTime - {0.75 * duration}) < 0.3")
    curve.press("ArrowLeft")
    wait(page, f"Math.abs(document.getElementById('video').currentTime - {0.75 * duration - 1}) < 0.3")
    chip = page.locator("#moments button").first
    start = float(chip.get_attribute("data-start") or "nan")
    chip.click()
    wait(page, f"document.getElementById('video').currentTime >= {start} - 0.1")
    assert seconds(page) < start + 3


def test_a_link_brings_back_search_and_place(page: Page) -> None:
    search(page, QUERY)
    open_first(page)
    page.evaluate("document.getElementById('video').pause()")
    page.locator("#curve svg").press("End")
    wait(page, "document.getElementById('video').currentTime > 1")
    link, name = page.url, page.locator("#player-name").inner_text()
    page.goto("about:blank")
    page.goto(link)
    expect(page.locator("#player")).to_be_visible()
    expect(page.locator("#player-name")).to_have_text(name)
    expect(page.locator("#query")).to_have_value(QUERY)
    page.keyboard.press("Escape")
    expect(page.locator("#player")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("video="))  # the dialog says later that it was closed


def test_no_match_is_said_and_the_nearest_can_be_seen(page: Page) -> None:
    page.goto(f"/?q={QUERY}&from=100000")
    expect(page.locator("#results h2")).to_have_text("No good match")
    expect(page.locator("#results")).to_contain_text("No video passes the filters")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("#results .card").first).to_be_visible()
    search_request = {"query": NONSENSE}
    answer = page.request.post("/v1/search", data=search_request).json()
    page.goto(f"/?q={NONSENSE}")
    if answer["good"]:
        pytest.fail(f"the bundled model finds {NONSENSE!r} in coloured shapes: {answer['best_score']}")
    expect(page.locator("#results")).to_contain_text(f"{answer['best_score']:.3f}")
    page.get_by_role("button", name="Show the nearest anyway").click()
    expect(page.locator("#results .card").first).to_be_visible()


def test_keys_walk_through_results(page: Page) -> None:
    page.goto(f"/?q={QUERY}&any=1")
    expect(page.locator("#results .score").nth(1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    cards = page.locator("#results .card")
    expect(cards.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cards.nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#player")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator("#player")).to_be_hidden()
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#status")).to_have_text(re.compile("moments? in"))
    expect(page).to_have_url(re.compile("like="))


def test_filters_and_groups(page: Page) -> None:
    search(page, QUERY)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Name has").fill("clip-0")
    page.get_by_label("Name has").press("Tab")
    page.wait_for_url(re.compile("name=clip-0"))
    page.get_by_label("weak matches too").check()
    page.get_by_label("group by video").check()
    expect(page.locator("#results .group h2 span")).to_have_text(["clip-0.mp4"])
    expect(page.locator("#filter-count")).to_have_text("3")


def test_a_video_is_uploaded_and_found(page: Page, site: Site) -> None:
    before = page.request.get("/v1/videos").json()["total"]
    page.get_by_role("button", name="Add videos").click()
    page.locator("#files").set_input_files(site.spare)
    expect(page.locator("#jobs [data-state=done]")).to_contain_text("1 video indexed", timeout=2 * 60_000)
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_contain_text("clip-9")
    assert page.request.get("/v1/videos").json()["total"] == before + 1


def test_an_upload_that_is_no_video_is_refused(page: Page) -> None:
    page.get_by_role("button", name="Add videos").click()
    page.locator("#files").set_input_files(
        {"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"no video" * 99}
    )
    expect(page.locator("#jobs [data-state=failed]")).to_contain_text("no video file")


def test_results_are_saved_as_files(page: Page, tmp_path: Path) -> None:
    search(page, QUERY)
    found = page.locator("#results .card").count()
    texts = {}
    for format_ in ("JSON", "CSV", "EDL"):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=format_, exact=True).click()
        waiting.value.save_as(tmp_path / format_)
        texts[format_] = (tmp_path / format_).read_text(encoding="utf-8")
    assert len(json.loads(texts["JSON"])["results"]) == found
    assert len(texts["CSV"].splitlines()) == 1 + found
    assert texts["EDL"].count("FROM CLIP NAME") == found
    open_first(page)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Save clip").click()
    waiting.value.save_as(tmp_path / "clip.mp4")
    assert (tmp_path / "clip.mp4").read_bytes()[4:8] == b"ftyp"


def test_names_are_text(page: Page) -> None:
    expect(page.locator("#results")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#results img[src=x]").count() == 0


def test_a_picture_has_a_curve_too(page: Page, tmp_path: Path) -> None:
    hit = page.request.post("/v1/search", data={"query": QUERY, "top_k": 1}).json()["results"][0]
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(page.request.get(hit["thumbnail_url"]).body())
    page.locator("#picture-file").set_input_files(picture)
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#results .score").first).to_be_visible()
    open_first(page)
    expect(page.locator("#curve svg path.smooth")).to_have_count(1)


def test_one_signs_out_where_one_signed_in(page: Page) -> None:
    page.get_by_label("Keyboard and help").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token of this server")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_room_for_all_of_it(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size(PHONE)
    page.goto(f"/?q={QUERY}&any=1")  # the filters are open, with their count
    expect(page.locator("#results .score").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    open_first(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    luminance = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (luminance < 128) == (scheme == "dark")


def test_every_control_has_a_name(page: Page) -> None:
    search(page, QUERY)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, a, input, select, video, svg[role]")]
            .filter((node) => !node.closest("[hidden]") && !node.hidden)
            .filter((node) => !["aria-label", "id=video"].some((has) => node.matches(`[${has}]`)))
            .filter((node) => !node.textContent.trim() && !node.labels?.length)
            .map((node) => node.outerHTML)"""
    )
    assert nameless == []
