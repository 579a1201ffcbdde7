"""The Pipeline page in a real browser: one picture's way, told in steps and replayed."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from tests.web.darkroom import DESKTOP
from tests.web.pipeline import (
    WAY,
    Held,
    OpenPipeline,
    any_of,
    go_to,
    pause,
    replay_is_ready,
    send_sample,
    steps_shown,
)

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

# Work that cannot take less than a tenth of a millisecond.
MEASURABLE = {"Opened and decoded", "Each file is written"}


async def test_an_upload_travels_every_step_with_real_times_and_messages(
    open_pipeline: OpenPipeline, live_server: str
) -> None:
    held = Held()
    page = await open_pipeline(prepare=held.listen, **DESKTOP)
    await expect(page.locator(".panel-parts dt")).to_have_count(7)
    async with held.workers(live_server):
        await page.click("[data-sample=dunes]")
    await replay_is_ready(page)

    steps = await steps_shown(page)
    assert [one.title for one in steps] == WAY
    taken = {one.title: float(re.sub(r"[^\d.]", "", one.taken)) for one in steps}
    assert all(taken[title] > 0 for title in MEASURABLE)
    said = {name: words for one in steps for name, words in one.messages.items()}
    job_id = said["accepted"]["jobId"]
    assert said["admit"]["id"] == said["hand over"]["job_id"] == said["answer"]["job_id"] == job_id
    assert said["event"]["jobId"] == said["publish"]["event"]["jobId"] == said["record"]["id"]
    assert said["request"]["line"] == "POST /upload HTTP/1.1"
    assert [one["name"] for one in said["settle"]["variants"]] == ["page", "mail"]
    assert said["paint"]["width"] == 1200
    await expect(page.locator(".panel-result img")).to_have_js_property("naturalWidth", 1200)
    await expect(page.locator(".map-clock-now")).to_have_text(re.compile(r"\d"))
    answer = await page.request.get(page.url.replace("/pipeline", f"/job/{job_id}/trace"))
    hops = [one["name"] for one in (await answer.json())["hops"]]
    assert set(hops) <= set(await page.locator(".hop-name").all_text_contents())


async def test_bars_are_to_scale_and_lead_to_their_steps(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    await send_sample(page, "harbour")

    bars = await page.eval_on_selector_all(
        ".hop-bar",
        """(bars) => bars.map((bar) => ["--from", "--share"]
            .map((name) => Number(bar.style.getPropertyValue(name))))""",
    )
    assert len(bars) > 15
    assert all(0 <= start <= 1 and share >= 0 and start + share <= 1.0001 for start, share in bars)
    assert max(start + share for start, share in bars) == pytest.approx(1, abs=1e-6)
    await page.get_by_role("button", name=re.compile("^settle")).click()
    await expect(page.locator(".panel-title")).to_have_text("The job has ended")
    await expect(page.locator("[data-part=queue]").first).to_have_attribute("data-state", "active")
    await expect(page.locator(".hop[aria-current=step] .hop-name")).to_have_text("settle")


async def test_replay_plays_pauses_steps_and_scrubs(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    await send_sample(page)
    title = page.locator(".panel-title")
    scrubber = page.locator(".player-scrub input")

    await page.locator(".player-speed select").select_option("4")
    await page.get_by_role("button", name="Play").click()
    await expect(title).to_have_text(any_of(WAY[2:]))
    await pause(page)
    at = int(await scrubber.input_value())
    assert at >= 2
    await page.click(".player-back")
    await expect(title).to_have_text(WAY[at - 1])
    await page.locator("h1").click()
    for key, wanted in (
        ("ArrowRight", WAY[at]),
        ("ArrowLeft", WAY[at - 1]),
        ("End", WAY[-1]),
        ("Home", WAY[0]),
    ):
        await page.keyboard.press(key)
        await expect(title).to_have_text(wanted)
    await page.keyboard.press("Space")
    await expect(page.locator(".player-toggle")).to_have_attribute("aria-label", "Pause")
    await page.keyboard.press("Space")
    await go_to(page, 7)
    await expect(scrubber).to_have_attribute("aria-valuetext", re.compile(r"Step 8 of 22: Let in"))


async def test_a_presigned_upload_shows_the_agreement_without_its_signature(
    open_pipeline: OpenPipeline,
) -> None:
    page = await open_pipeline(**DESKTOP)
    await page.get_by_label("Presigned URL").check(force=True)
    await send_sample(page)

    steps = await steps_shown(page)
    assert [one.title for one in steps[:3]] == [WAY[0], "A URL is agreed on", WAY[1]]
    agreed = steps[1].messages["agree"]["answer"]
    assert agreed["url"].startswith(f"/uploads/{agreed['uploadId']}?")
    assert "signature=…" in agreed["url"]
    assert steps[2].messages["request"]["line"].startswith(f"PUT /uploads/{agreed['uploadId']}")
    assert "signature=…" in steps[2].messages["request"]["line"]


async def test_the_same_again_takes_the_short_way(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    await send_sample(page)
    await page.get_by_role("button", name="The same again").click()
    await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    await replay_is_ready(page)

    titles = [one.title for one in await steps_shown(page)]
    assert "Somebody had it made before" in titles
    assert not {"It waits its turn", "Opened and decoded"} & set(titles)
    assert titles[-1] == "You see it"


async def test_a_file_that_is_no_picture_is_told_in_words(
    browser: Browser, live_server: str, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.jpg"
    notes.write_text("These are notes.\n" * 20)
    page = await browser.new_page()
    await page.goto(f"{live_server}/pipeline")
    await page.set_input_files(".source-file", notes)

    await expect(page.locator("#live")).to_have_attribute("data-state", "problem")
    await expect(page.locator("#live")).to_contain_text(re.compile(r"\w+: \w+"))
    await expect(page.locator("[data-sample=dunes]")).to_be_enabled()
    await page.close()


async def test_a_picture_that_cannot_be_made_shows_where_it_ended(
    open_pipeline: OpenPipeline, live_server: str, photos: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    Image.open(photos[0]).save(broken)
    whole = broken.read_bytes()
    middle = len(whole) // 2
    broken.write_bytes(whole[:middle] + bytes(400) + whole[middle + 400 :])
    held = Held()
    page = await open_pipeline(prepare=held.listen, **DESKTOP)
    async with held.workers(live_server):
        await page.set_input_files(".source-file", broken)
    await replay_is_ready(page)

    steps = await steps_shown(page)
    titles = [one.title for one in steps]
    assert titles[-5:] == [
        *("It cannot be done", "The worker answers", "The job has ended"),
        *("Everybody is told", "Written into the history"),
    ]
    fault = steps[titles.index("It cannot be done")].messages["fault"]
    assert fault["code"] and fault["detail"]


async def test_a_torn_picture_shows_what_a_failure_is(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    await send_sample(page, "torn")

    steps = await steps_shown(page)
    [fault] = [one for one in steps if one.title == "It cannot be done"]
    assert fault.messages["fault"]["code"] == "corrupt_image"
    assert "You see it" not in [one.title for one in steps]


async def test_an_attempt_that_was_given_back_is_no_death(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP)
    steps = await page.evaluate(
        """async () => {
          const { stepsOf } = await import("/web/pipeline/steps.js");
          const hop = (name, attempt) => ({ name, attempt, startMs: 0, durationMs: 1 });
          const hops = [hop("wait", 1), hop("given back", 1), hop("wait", 2), hop("died", 2)];
          return stepsOf(hops).map(({ name, part, attempt }) => [name, part, attempt]);
        }"""
    )

    assert steps == [
        ["wait", "queue", 1],
        ["back", "workers", 1],
        ["wait", "queue", 2],
        ["died", "workers", 2],
    ]


async def test_nothing_arrives_before_it_left_whatever_the_clocks_say(
    open_pipeline: OpenPipeline,
) -> None:
    page = await open_pipeline(**DESKTOP)
    merged = await page.evaluate(
        """async () => {
          const { merged } = await import("/web/pipeline/steps.js");
          const { clockFrom, bestClock } = await import("/web/pipeline/clock.js");
          const hop = (name, startMs, durationMs) => ({ name, startMs, durationMs });
          const hops = [hop("request", 0, 5), hop("admit", 5, 5), hop("settle", 10, 30)];
          const trace = { atMs: 5000, hops: [...hops, hop("publish", 40, 2)] };
          const moments = {
            asked: 1000, agreeing: null, agreed: null, sent: 1010, answered: 1025, told: 1055,
            getting: 1060, firstByte: 1065, gotten: 1070, painted: 1080,
          };
          const clocks = [clockFrom(2000, 2040, 6020), clockFrom(2100, 2104, 6092)];
          const off = [-500, -8, 0, 8, 500].map((error) => {
            const clock = { offsetMs: 3988 + error, uncertainMs: 2 };
            return merged(moments, trace, clock, {});
          });
          return { best: bestClock(clocks), off };
        }"""
    )
    assert merged["best"] == {"offsetMs": 3990, "uncertainMs": 2}
    for hops in merged["off"]:
        by_name = {one["name"]: one for one in hops}
        assert all(one["durationMs"] >= 0 for one in hops)
        assert by_name["request"]["startMs"] >= by_name["send"]["startMs"] == 10
        assert by_name["settle"]["startMs"] == by_name["request"]["startMs"] + 10
    good = {one["name"]: one for one in merged["off"][2]}
    assert (good["send"]["durationMs"], good["accepted"]["durationMs"]) == (2, 3)
    assert (good["event"]["durationMs"], good["event"]["uncertainMs"]) == (1, 2)


async def test_messages_open_and_are_copied(open_pipeline: OpenPipeline) -> None:
    page = await open_pipeline(**DESKTOP, permissions=["clipboard-read", "clipboard-write"])
    await send_sample(page)
    await go_to(page, WAY.index("Let in by one script"))

    await page.locator(".message summary").click()
    await page.get_by_role("button", name="Copy this message").click()
    await expect(page.locator("#announcer")).to_have_text("Copied to the clipboard.")
    copied = await page.evaluate("() => navigator.clipboard.readText()")
    assert copied == await page.locator(".message-text").inner_text()
    await page.click(".player-forward")
    await expect(page.locator(".message").first).to_have_attribute("open", "")
