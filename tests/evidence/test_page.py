"""The page of a batch says what the gate said, shows the points, and lets no text be more than text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from setpoint.evidence.build import build_page, differences, gone_page, keep_page
from setpoint.evidence.page import content_security_policy
from setpoint.evidence.shelf import find
from setpoint.model import Verdict
from setpoint.testing.values import a_report


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, document: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(stored: Any) -> str:
    """The page of a stored batch."""
    return build_page(stored.store, stored.case(), stored.report, stored.policy, quarantined=True)


def test_it_tells_the_verdict_the_reasons_and_what_great_expectations_found(bad: Any) -> None:
    """Who opens it knows why nothing changed, and recognises the suite."""
    shown = Elements(page_of(bad))
    for words in (
        "Batch of web: fail",
        bad.batch.batch_id,
        "web-2 cpu: zero_guard: 10 of 10 points zero",
        "setpoint explain 'web/run-1'",
        "Great Expectations: validation result of setpoint.web.v",
        "Unsuccessful Expectations",
        "The suite setpoint.web.v",
        bad.batch.sha256,
    ):
        assert words in shown.text
    assert "differ from the report" not in shown.text


def test_text_from_outside_stays_text(bad: Any) -> None:
    """A target's name makes no element, no attribute, no address, and is replaced in no template."""
    document = page_of(bad)
    shown = Elements(document)
    assert {"script", "img", "iframe", "object", "link", "form", "base"}.isdisjoint(tag for tag, _ in shown.tags)
    assert not [name for _, given in shown.tags for name in given if name.startswith("on") or name == "style"]
    addresses = {given["href"] for tag, given in shown.tags if "href" in given}
    elsewhere = {one for one in addresses if one is not None and not one.startswith("#")}
    assert elsewhere == {"./", "../../../dags/setpoint.web", "../../../dags/setpoint.web/runs/run-1"}
    assert "<script>alert('x')</script>" in shown.text
    assert "${html_success_icon} $column {{ 7*7 }}" in shown.text
    assert not {"\u202e", "\x1b"} & set(document)


def test_it_needs_nothing_from_elsewhere_and_its_policy_allows_its_style_alone(bad: Any) -> None:
    """The one style element has the hash that the policy names; nothing is loaded."""
    document = page_of(bad)
    (style,) = re.findall(r"<style>(.*?)</style>", document, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    for policy in (content_security_policy(document), content_security_policy(document.encode())):
        assert f"style-src 'sha256-{digest}'" in policy
        assert "default-src 'none'" in policy
    loaded = [value for _, given in Elements(document).tags for name, value in given.items() if name == "src"]
    assert not loaded
    assert "http://" not in document.replace("http://www.w3.org/2000/svg", "")


def test_a_large_fleet_has_a_page_of_bounded_size(make: Callable[..., Any]) -> None:
    """Five hundred failing targets with endless names: a dozen plots, a hundred lines, and how many more there are."""
    fleet = make({f"{number}-{'<💥́é‮&>' * 25}": [0.0] * 10 for number in range(500)})
    document = page_of(fleet)
    shown = Elements(document)
    assert [tag for tag, _ in shown.tags].count("svg") == 12
    assert "488 more series did not pass" in shown.text
    assert "and 400 more" in shown.text
    assert "and 480 more, in the ledger" in shown.text
    assert len(document.encode()) < 400_000


def test_a_batch_that_cannot_be_read_still_has_a_page(bad: Any) -> None:
    """The file was altered: the page says so, and shows no number from it."""
    with open(bad.batch.uri, "ab") as file:
        file.write(b"x")
    shown = Elements(page_of(bad))
    assert "could not be judged as a whole" in shown.text
    assert "svg" not in {tag for tag, _ in shown.tags}


def test_it_says_where_the_policy_of_today_judges_otherwise(bad: Any) -> None:
    """A page that is built later, with a changed policy, does not pretend to be what was acted on."""
    changed = bad.policy.model_copy(
        update={"quality": {"cpu": bad.policy.quality["cpu"].model_copy(update={"zero_guard": False})}}
    )
    document = build_page(bad.store, bad.case(), bad.report, changed, quarantined=True)
    shown = Elements(document)
    assert "The policy was changed after the batch was judged" in shown.text
    assert "web-2 cpu: fail, now pass" in shown.text


def test_a_kept_page_lies_beside_the_batch_and_is_found(bad: Any) -> None:
    """In quarantine and not; the store's retention knows both."""
    for quarantined in (False, True):
        kept = keep_page(bad.store, bad.batch, "<html>it</html>", quarantined=quarantined)
        assert kept.name.endswith(f"{bad.batch.batch_id}.page.html")
        assert kept.parent.name == ("quarantine" if quarantined else "web")
        assert find(bad.store, bad.batch.batch_id)[0].page() == b"<html>it</html>"


def test_differences_are_told_series_by_series() -> None:
    """Nothing is told of what is the same."""
    then = a_report({"web-1": {"cpu": Verdict.FAIL}, "web-2": {"cpu": Verdict.PASS}})
    now = a_report({"web-1": {"cpu": Verdict.PASS}, "web-3": {"cpu": Verdict.PASS}})
    assert differences(then, then) == ()
    assert differences(then, now) == (
        "the verdict was fail, now pass",
        "web-1 cpu: fail, now pass, coverage broken only then",
        "web-2 cpu: judged only then",
        "web-3 cpu: judged only now",
    )


def test_every_failing_series_has_a_plot_with_its_points_marked(bad: Any) -> None:
    """Ten zeros are ringed in red, the missing periods of the other target are shaded."""
    shown = Elements(page_of(bad))
    marked = [given for tag, given in shown.tags if tag == "circle" and given.get("class") == "marked"]
    assert len(marked) == 10
    assert [tag for tag, given in shown.tags if given.get("class") == "gap"] == ["rect"]
    assert [tag for tag, _ in shown.tags].count("svg") == 2


def test_a_page_kept_by_an_earlier_version_is_shown_in_its_own_style() -> None:
    """The browser's policy allows the style in the page's own head; one that text put into the body is none."""
    earlier = "<!DOCTYPE html><html lang='en'><head><title>&lt;style&gt;</title><style>b{color:red}</style></head>"
    digest = base64.b64encode(hashlib.sha256(b"b{color:red}").digest()).decode()
    assert f"'sha256-{digest}'" in content_security_policy(earlier + "<body><style>i{}</style></body></html>")
    headless = "<html><head><title>x</title></head><body><style>b{color:red}</style></body></html>"
    assert content_security_policy(headless) == content_security_policy()


def test_it_says_what_came_of_it_what_was_asked_and_which_keys_to_turn(bad: Any) -> None:
    """The verdict in a sentence, the decisions, and for each broken expectation its limit and the policy's keys."""
    shown = Elements(page_of(bad))
    for words in (
        "Some of these numbers cannot be trusted, and were not acted on. Nothing was changed.",
        "What was decided: 2 quarantine",
        "At least 0.95 of the window's periods (a share) have a point.",
        "quality.full_coverage, quality.min_coverage",
        "Kept by all: source, order,",
    ):
        assert words in shown.text
    anchors = {given["href"].removeprefix("#") for _, given in shown.tags if (given.get("href") or "").startswith("#")}
    assert anchors == {given["id"] for _, given in shown.tags if "id" in given}


def test_what_great_expectations_found_good_is_folded_up(bad: Any) -> None:
    """Who looks for what is broken sees that; the rest is one click away."""
    document = page_of(bad)
    open_part, folded = document.split("more sections: what was kept", 1)
    assert "0% unexpected" not in open_part.replace("100% unexpected", "")
    assert "Unsuccessful Expectations" in open_part
    assert "0% unexpected" in folded


def test_a_batch_whose_file_is_gone_has_a_page_from_the_ledger(bad: Any) -> None:
    """Verdict, reasons, decisions and limits stay; it says where the points went, and links nowhere dead."""
    shown = Elements(gone_page(bad.case(), bad.report, "It was deleted after 7 days."))
    for words in ("It was deleted after 7 days.", "web-2 cpu: zero_guard: 10 of 10 points zero", "2 quarantine"):
        assert words in shown.text
    assert "svg" not in {tag for tag, _ in shown.tags}
