"""Who may reach the page, and what it refuses: a deployed page, off loopback, as `worker.py` runs it."""

import http.client
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, expect

from kernel.errors import SettingsError
from lab.settings import LabSettings
from tests.conftest import free_port
from tests.processes import Environment, environment_of, run, worker_process
from tests.web.conftest import visiting
from web.settings import WebSettings

TOKEN, PROXY = "correct horse battery staple", "only the proxy knows this"
Headers = Mapping[str, str]
NONE: Headers = {}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRACE = {"X-Forwarded-User": "Grace", "X-Proxy-Secret": PROXY}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="(\w+)"', self.text)
        assert found
        return found[1]

    @property
    def visitor(self) -> str:
        return (self.headers["set-cookie"] or "").partition(";")[0]


@dataclass(frozen=True)
class Deployed:
    port: int
    environment: Environment

    def ask(self, path: str, headers: Headers = NONE, *, method: str = "GET", body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body or None, {"Accept": "text/html", **headers})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read().decode(errors="replace"))
        connection.close()
        return answer

    def post(self, path: str, fields: dict[str, str], headers: Headers = NONE) -> Answer:
        return self.ask(path, {**FORM, **headers}, method="POST", body=urlencode(fields).encode())


@pytest.fixture(scope="module")
async def deployed(server: LabSettings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployed]:
    settings = server.model_copy(update={"data_dir": tmp_path_factory.mktemp("deployed")})
    port = free_port()
    environment = environment_of(settings, "nobody") | {
        "WEB_HOST": "0.0.0.0",
        "WEB_PORT": str(port),
        "WEB_TOKEN": TOKEN,
        "WEB_PROXY_SECRET": PROXY,
    }
    async with worker_process(environment, "--role", "orders", "--role", "inventory", "--role", "web"):
        yield Deployed(port, environment)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"WEB_HOST": "0.0.0.0"}, "WEB_HOST: 0.0.0.0 is open to other machines: set WEB_TOKEN"),
        ({"WEB_HOST": "::"}, "WEB_HOST: :: is open to other machines: set WEB_TOKEN"),
        ({"WEB_HOST": "0.0.0.0", "WEB_TOKEN": "short"}, "WEB_TOKEN: give at least 16 characters"),
        ({"WEB_PORT": "99999"}, "WEB_PORT: must be at most 65535"),
    ],
)
def test_a_page_that_anybody_could_use_is_refused(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        WebSettings.read().check()
    assert said in refused.value.for_user()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"WEB_HOST": "0.0.0.0"}, "WEB_HOST: 0.0.0.0 is open to other machines: set WEB_TOKEN"),
        ({"WEB_HOST": "192.0.2.1", "WEB_TOKEN": TOKEN}, "WEB_HOST, WEB_PORT: cannot listen at 192.0.2.1"),
    ],
)
async def test_a_page_with_wrong_settings_does_not_start(
    server: LabSettings, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    environment = environment_of(server.model_copy(update={"data_dir": tmp_path}), "nobody")
    ran = await run("worker.py", environment | settings, "--role", "web")
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_who_has_not_logged_in_sees_nothing_and_does_nothing(deployed: Deployed) -> None:
    for path in ("/", "/orders", "/orders/x", "/attention", "/figures", "/shop"):
        answer = deployed.ask(path)
        assert (answer.status, answer.headers["location"]) == (303, f"/login?to={path}")
    assert deployed.ask("/orders/x/events", {"Accept": "text/event-stream"}).status == 401
    assert deployed.post("/shop", {}).status == 401
    assert deployed.ask("/static/style.css").status == 200


async def test_an_operator_logs_in_acts_under_that_name_and_logs_out(browser: Browser, deployed: Deployed) -> None:
    address = f"http://127.0.0.1:{deployed.port}"
    async with visiting(browser, address) as visitor:
        page = visitor.page
        await visitor.open("/attention")
        await page.fill("input[name=name]", "Ada")
        await page.fill("input[name=token]", "guessed, and wrong")
        await page.click("button.primary")
        await expect(page.get_by_role("alert")).to_contain_text("not the operators' token")
        visitor.problems.clear()  # the browser says that this was a 403
        await page.fill("input[name=name]", "Ada")
        await page.fill("input[name=token]", TOKEN)
        await page.click("button.primary")
        await page.wait_for_url("**/attention")
        await expect(page.locator(".who")).to_contain_text("Ada")
        (session,) = [one for one in await visitor.context.cookies() if one["name"] == "session"]
        assert (session["httpOnly"], session["sameSite"]) == (True, "Strict")
        assert TOKEN not in session["value"]
        await page.click("text=Log out")
        await visitor.open("/attention")
        await page.wait_for_url("**/login**")


def test_a_proxy_says_who_asks_only_with_its_secret(deployed: Deployed) -> None:
    there = {"X-Forwarded-User": "Grace"}
    assert deployed.ask("/shop", there).status == 303
    assert deployed.ask("/shop", there | {"X-Proxy-Secret": "guessed"}).status == 303
    answer = deployed.ask("/shop", there | {"X-Proxy-Secret": PROXY})
    assert answer.status == 200
    assert "Grace" in answer.text


def test_a_session_that_was_made_up_is_none(deployed: Deployed) -> None:
    for cookie in ("x", "x.y", "WyJBZGEiLCA5OTk5OTk5OTk5XQ==.0", "\xe9.\xe9"):
        assert deployed.ask("/shop", {"Cookie": f"session={cookie}"}).status == 303


def test_a_deployed_page_shows_and_accepts_no_fault(deployed: Deployed) -> None:
    shown = deployed.ask("/", GRACE)
    assert "slow" not in shown.text
    assert "kill" not in shown.text
    form = {"form_token": shown.form_token, "nonce": "0123abcd"}
    for more in ({"scene": "kill"}, {"scene": "good", "slow": "on"}):
        answer = deployed.post("/runs", form | more, GRACE | {"Cookie": shown.visitor})
        assert answer.status == 400
        assert "only the laboratory" in answer.text


def test_a_form_of_another_site_is_refused(deployed: Deployed) -> None:
    shop = deployed.ask("/shop", GRACE)
    form = {"form_token": shop.form_token, "order_id": "csrf"}
    cookie, own = {"Cookie": shop.visitor}, {"Origin": f"http://127.0.0.1:{deployed.port}"}
    refused = [
        deployed.post("/shop", form, GRACE | cookie | {"Origin": "http://evil.example"}),
        deployed.post("/shop", form, GRACE | cookie | {"Origin": "null"}),
        deployed.post("/shop", form, GRACE | cookie | {"Sec-Fetch-Site": "cross-site"}),
        deployed.post("/shop", form | {"form_token": "made-up"}, GRACE | cookie | own),
        deployed.post("/shop", form, GRACE | own),
    ]
    assert [one.status for one in refused] == [403, 403, 403, 400, 400]
    ours = deployed.post("/shop", form, GRACE | cookie | own)
    assert "choose at least one piece" in ours.text


def test_what_is_too_much_or_no_id_is_refused(deployed: Deployed) -> None:
    large = b"a=" + b"x" * 70_000
    assert deployed.ask("/shop", FORM | GRACE, method="POST", body=large).status == 413
    assert deployed.ask("/orders/..%2f..%2fetc", GRACE).status in (400, 404)
    assert deployed.ask("/orders/a%0ab", GRACE).status == 400
    assert deployed.ask("/orders/" + "x" * 65, GRACE).status == 400
    assert deployed.ask("/static/..%2fserver.py", GRACE).status == 404
    assert deployed.ask("/orders/x/events", GRACE | {"Last-Event-ID": "1; DROP"}).status == 400


def test_every_answer_says_what_the_browser_may_load(deployed: Deployed) -> None:
    for path in ("/login", "/shop", "/nothing", "/static/style.css"):
        policy = deployed.ask(path, GRACE).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for page in ("/login", "/shop", "/"):
        text = deployed.ask(page, GRACE).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|\bon\w+=\"|style=\"|https?://(?!www\.w3\.org)", text), page


def test_what_a_form_refuses_is_said_on_the_form_which_keeps_what_was_typed_escaped(deployed: Deployed) -> None:
    shop = deployed.ask("/shop", GRACE)
    markup = '"><script>alert(1)</script>'
    form = {"form_token": shop.form_token, "order_id": "typed-1", "name": markup, "sku": "mug", "quantity-mug": "7.5"}
    refused = deployed.post("/shop", form, GRACE | {"Cookie": shop.visitor})
    assert refused.status == 400
    assert "is not a whole number of pieces" in refused.text
    assert 'value="7.5"' in refused.text
    assert 'value="typed-1"' in refused.text
    assert "<script>alert" not in refused.text
    assert "&lt;script&gt;alert(1)" in refused.text


@pytest.mark.parametrize("path", ["/orders/no-such-order", "/orders/no-such-order/events", "/runs/no-such-run"])
def test_what_does_not_exist_is_said_to_be_missing(deployed: Deployed, path: str) -> None:
    answer = deployed.ask(path, GRACE)
    assert answer.status == 404
    assert "there is no" in answer.text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/attention", {"act": "made-up"}),
        ("/attention", {"act": "retry"}),
        ("/attention", {"act": "resolved:undo-failed/x/payments.refund"}),
        ("/attention/bulk", {"act": "retry", "chosen": "x", "rate": "nan"}),
        ("/attention/bulk/../../etc", {}),
        ("/attention/bulk/0123456789abcdef", {}),
        ("/runs", {"nonce": "../x"}),
        ("/runs/a%0ab/review", {"decision": "approve"}),
        ("/runs/x/review", {"decision": "made-up"}),
        ("/orders/no-such-order/cancel", {"reason": "x" * 2_000}),
        ("/login", {"name": "", "token": ""}),
    ],
)
def test_a_form_with_nonsense_is_refused_in_words(deployed: Deployed, path: str, fields: dict[str, str]) -> None:
    first = deployed.ask("/login", GRACE)
    answer = deployed.post(path, fields | {"form_token": first.form_token}, GRACE | {"Cookie": first.visitor})
    assert answer.status in (400, 404), answer.text
    assert 'role="alert"' in answer.text
