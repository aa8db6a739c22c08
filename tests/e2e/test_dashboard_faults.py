"""What the server finds wrong with a form stands at the field it is about, in a real browser."""

import re

import pytest
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.e2e.browsing import looked_at, opened, sign_in
from tests.harness import PASSWORD, Tenant

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(600)]

UNPROCESSABLE, CONFLICT = "422", "409"
PLACES = """all => all.map(one => one.getBoundingClientRect())
    .map(({ left, top, width }) => [left, top, width])"""


async def marked(page: Page, label: str, said: str) -> Locator:
    """The field that is called so: it alone is marked, has the focus, and says this after its
    name.
    """
    field = page.locator("label.field", has_text=label)
    control = field.locator("[aria-invalid=true]")
    await expect(control).to_be_focused()
    await expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    await expect(field.locator("small.bad")).to_have_text(said)
    await expect(control).to_have_accessible_name(label)
    await expect(control).to_have_accessible_description(re.compile(re.escape(said) + "$"))
    return control


async def refuse(page: Page, path: str, *loc: str | int) -> None:
    """From now on nothing is written there: what `loc` names is said to be missing."""
    fault = {"type": "missing", "loc": ["body", *loc], "msg": "Field required"}

    async def answer(route: Route) -> None:
        if route.request.method == "GET":
            await route.continue_()
        else:
            await route.fulfill(status=422, json={"status": 422, "detail": [fault]})

    await page.route(path, answer)


class TestAFault:
    async def test_is_told_in_the_readers_language_and_goes_with_the_next_key(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        async with opened(browser, UNPROCESSABLE, locale="de-DE") as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}?tab=index")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Zeichen einer Stelle, höchstens").fill("1000")
            await page.get_by_label("Überlappung mit der nächsten").fill("900")
            await page.keyboard.press("Enter")
            said = "Das darf höchstens die Hälfte der Zeichen einer Stelle sein."
            control = await marked(page, "Überlappung mit der nächsten", said)
            alert = page.get_by_role("alert")
            await expect(alert).to_have_text("Sehen Sie sich die markierten Felder noch einmal an.")
            await expect(page.get_by_text("chunk_")).to_have_count(0)
            await looked_at(page)
            await control.fill("400")
            await expect(page.locator("[aria-invalid=true], small.bad")).to_have_count(0)
            await expect(alert).to_have_count(0)
            await page.keyboard.press("Enter")
            await expect(page.locator(".estimate")).to_be_visible()

    async def test_is_found_where_it_was_folded_away(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        async with opened(browser, UNPROCESSABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}")
            await sign_in(page, tenant.email, PASSWORD)
            folded = page.get_by_text("When it should not answer, and what it may link to")
            await folded.click()
            models = page.get_by_label("Other models, when this one fails")
            await models.fill("a b c d")
            await folded.click()
            await page.get_by_role("button", name="Save").click()
            said = "At most 3 entries are allowed."
            await marked(page, "Other models, when this one fails", said)
            await models.fill("a b c")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("The next answer uses it.").first).to_be_visible()

    async def test_of_a_person_stands_at_the_e_mail(self, browser: Browser, tenant: Tenant) -> None:
        async with opened(browser, CONFLICT) as page:
            await page.goto(f"{tenant.url}/dashboard/team?add=1")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("E-mail").fill(tenant.email)
            await page.get_by_label("First password").fill(PASSWORD)
            await page.get_by_role("button", name="Add", exact=True).click()
            await marked(page, "E-mail", "Somebody here has this e-mail address already.")

    async def test_of_an_address_says_why(self, browser: Browser, tenant: Tenant) -> None:
        async with opened(browser, UNPROCESSABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/webhooks?add=1")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Address").fill("https://user:secret@example.com/hook")
            await page.get_by_role("button", name="Add", exact=True).click()
            said = "It cannot be used: it must hold no user or password."
            await marked(page, "Address", said)
            await expect(page.get_by_role("alert")).not_to_contain_text("url")

    async def test_without_a_field_of_its_own_is_told_below_the_form(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with opened(browser, UNPROCESSABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/webhooks?add=1")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Address").fill("https://example.com/hook")
            await refuse(page, "**/v1/webhooks", "secret", 0)
            await page.get_by_role("button", name="Add", exact=True).click()
            await expect(page.get_by_role("alert")).to_have_text("secret.0: This is missing.")
            await expect(page.locator("[aria-invalid=true]")).to_have_count(0)


class TestAFaultOfBoxes:
    async def test_that_are_one_thing_stands_below_them(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        async with opened(browser, UNPROCESSABLE, locale="de-DE") as page:
            await page.goto(f"{tenant.url}/dashboard/tokens?add=token")
            await sign_in(page, tenant.email, PASSWORD)
            await page.locator("input[name=name]").fill("nightly job")
            boxes = page.get_by_role("group", name="Darf").get_by_role("checkbox")
            await expect(boxes).to_have_count(5)
            for box in await boxes.all():
                await box.uncheck()
            make = page.get_by_role("button", name="Erzeugen")
            await make.click()
            await expect(page.locator("fieldset small.bad")).to_have_text("Das fehlt.")
            await expect(page.locator("[aria-invalid=true]")).to_have_count(5)
            await expect(boxes.first).to_be_focused()
            for box in await boxes.all():
                await expect(box).to_have_attribute("aria-invalid", "true")
                await expect(box).to_have_accessible_description("Das fehlt.")
            alert = page.get_by_role("alert")
            await expect(alert).to_have_text("Sehen Sie sich die markierten Felder noch einmal an.")
            await looked_at(page)
            await boxes.nth(1).check()
            await expect(page.locator("[aria-invalid], [aria-describedby], .bad")).to_have_count(0)
            await make.click()
            await expect(page.locator(".code code").first).to_contain_text("nrag_")

    async def test_of_one_stands_at_it(self, browser: Browser, tenant: Tenant) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        async with opened(browser, UNPROCESSABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}")
            await sign_in(page, tenant.email, PASSWORD)
            await page.get_by_label("Description").wait_for()
            await refuse(page, f"**/v1/bot-profiles/{bot}", "check_claims")
            await page.get_by_role("button", name="Save").click()
            box = page.get_by_label("Have a model check that the passages support the answer")
            await expect(box).to_be_focused()
            await expect(box).to_have_attribute("aria-invalid", "true")
            await expect(box).to_have_accessible_description("This is missing.")
            await expect(page.locator("[aria-invalid=true]")).to_have_count(1)
            alert = page.get_by_role("alert")
            await expect(alert).to_have_text("Look at the marked fields again.")
            await looked_at(page)
            await page.keyboard.press("Space")
            await expect(page.locator("[aria-invalid=true], small.bad")).to_have_count(0)

    async def test_of_which_one_is_chosen_stands_at_all_of_them(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        tenant.bot(name="Guide", model="local/extractive")
        async with opened(browser, UNPROCESSABLE) as page:
            await page.goto(f"{tenant.url}/dashboard/sources?add=1")
            await sign_in(page, tenant.email, PASSWORD)
            await refuse(page, "**/v1/sources", "source_type")
            await page.get_by_label("Address").fill("https://example.com/help")
            await page.locator("dialog").get_by_role("button", name="Add source").click()
            kinds = page.get_by_role("radiogroup", name="What should it read?")
            await expect(kinds).to_have_attribute("aria-invalid", "true")
            await expect(kinds).to_have_accessible_description("This is missing.")
            await expect(page.locator("[aria-invalid=true]")).to_have_count(1)
            await expect(kinds.get_by_role("radio", checked=True)).to_be_focused()
            await looked_at(page)
            await page.keyboard.press("ArrowRight")
            await expect(page.locator("[aria-invalid=true], small.bad")).to_have_count(0)


class TestFieldsSideBySide:
    async def test_stand_in_line_whatever_is_said_of_one(
        self, browser: Browser, tenant: Tenant
    ) -> None:
        bot = tenant.bot(name="Guide", model="local/extractive")
        phone = {"width": 390, "height": 844}
        async with opened(browser, UNPROCESSABLE, locale="de-DE", viewport=phone) as page:
            await page.goto(f"{tenant.url}/dashboard/bots/{bot}")
            await sign_in(page, tenant.email, PASSWORD)
            await refuse(page, f"**/v1/bot-profiles/{bot}", "credentials", "api_base")
            pair = page.locator(".pair").first
            await pair.wait_for()
            await page.evaluate("document.fonts.ready")
            # One hint is longer than the other; then one of both has a fault besides.
            for _ in range(2):
                for part in ("label > span", "input"):
                    tops = await pair.locator(part).evaluate_all(PLACES)
                    assert len({top for _, top, _ in tops}) == 1, part
                await page.get_by_role("button", name="Speichern").click()
                await expect(pair.locator(".bad")).to_be_visible()
            boxes = await page.locator("input[type=checkbox]:visible").evaluate_all(PLACES)
            assert len(boxes) > 1
            assert len({(left, width) for left, _, width in boxes}) == 1
