"""Who sent this? Tokens and HMAC signatures, without a server."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webhook_parts import standard_signature

from setpoint.events.senders import HmacFormat
from setpoint.events.signatures import SignatureError, sign_hmac, verify_bearer, verify_hmac

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"policy": "web"}'
TOLERANCE = timedelta(minutes=5)


def check(headers: Mapping[str, str], body: bytes = BODY, *, form: HmacFormat = HmacFormat.STANDARD) -> str:
    """Verify as the sender would be, with an older secret still valid."""
    return verify_hmac(form, headers, body, [SECRET, "the-one-before-this"], now=NOW, tolerance=TOLERANCE)


def code_of(headers: Mapping[str, str], body: bytes = BODY, *, form: HmacFormat = HmacFormat.STANDARD) -> str:
    """The code of the refusal."""
    with pytest.raises(SignatureError) as refused:
        check(headers, body, form=form)
    assert SECRET not in str(refused.value)
    return refused.value.code


def grafana(body: bytes, at: datetime) -> dict[str, str]:
    """Grafana's headers: hexadecimal, over time, colon and body."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(SECRET.encode(), f"{stamp}:".encode() + body, hashlib.sha256).hexdigest()
    return {"x-grafana-alerting-timestamp": stamp, "x-grafana-alerting-signature": digest}


def test_the_specifications_own_example_verifies() -> None:
    """Standard Webhooks 1.0 prints a secret, an id, a time, a body and their signature."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    message_id = verify_hmac(
        HmacFormat.STANDARD,
        headers,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        now=datetime.fromtimestamp(1614265330, UTC),
        tolerance=TOLERANCE,
    )
    assert message_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_message_signed_with_either_secret_is_accepted() -> None:
    """While a secret is being changed, both count."""
    assert check(standard_signature(BODY, "m-1", NOW, KEY)) == "m-1"
    assert check(standard_signature(BODY, "m-1", NOW, b"the-one-before-this")) == "m-1"


def test_one_fitting_signature_among_several_is_enough() -> None:
    """A sender that changes its secret signs with both, in one header."""
    headers = standard_signature(BODY, "m-1", NOW, KEY)
    headers["webhook-signature"] = f"v1,AAAA v2,whatever {headers['webhook-signature']}"
    assert check(headers) == "m-1"


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_a_signature_of_another_time_is_stale(seconds: int) -> None:
    """Five minutes either way, and not a second more: a request that was recorded is of no use later."""
    assert code_of(standard_signature(BODY, "m-1", NOW + timedelta(seconds=seconds), KEY)) == "stale"
    assert check(standard_signature(BODY, "m-1", NOW + timedelta(seconds=300), KEY)) == "m-1"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_what_is_signed_cannot_be_altered(name: str) -> None:
    """The id and the time are under the signature, as the body is."""
    headers = standard_signature(BODY, "m-1", NOW, KEY)
    altered = {**headers, name: headers[name][:-1] + ("2" if headers[name][-1] != "2" else "3")}
    assert code_of(altered) == "wrong"
    assert code_of(headers, BODY + b" ") == "wrong"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_missing_header_is_named(name: str) -> None:
    """Each header is needed."""
    headers = standard_signature(BODY, "m-1", NOW, KEY)
    del headers[name]
    assert code_of(headers) == "missing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "two words"),
        ("webhook-id", "x" * 201),
        ("webhook-timestamp", "yesterday"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "٣٣٣"),
        ("webhook-signature", "v2,abc"),
    ],
)
def test_a_malformed_header_is_refused(name: str, value: str) -> None:
    """Nothing is guessed from a header that is not of its form."""
    assert code_of({**standard_signature(BODY, "m-1", NOW, KEY), name: value}) == "malformed"


def test_grafana_signs_in_its_own_way() -> None:
    """Time, colon, body; and the same request again is the same message."""
    first = check(grafana(BODY, NOW), form=HmacFormat.GRAFANA)
    assert check(grafana(BODY, NOW), form=HmacFormat.GRAFANA) == first
    assert check(grafana(BODY, NOW + timedelta(seconds=1)), form=HmacFormat.GRAFANA) != first
    assert code_of(grafana(BODY, NOW), BODY + b" ", form=HmacFormat.GRAFANA) == "wrong"
    without_time = {"x-grafana-alerting-signature": grafana(BODY, NOW)["x-grafana-alerting-signature"]}
    assert code_of(without_time, form=HmacFormat.GRAFANA) == "missing"


@pytest.mark.parametrize("form", list(HmacFormat))
def test_what_we_sign_we_accept(form: HmacFormat) -> None:
    """The command line signs as the webhook checks."""
    headers = sign_hmac(form, BODY, SECRET, message_id="m-1", now=NOW)
    assert check(headers, form=form)
    assert code_of(headers, BODY + b" ", form=form) == "wrong"


@given(
    st.dictionaries(
        st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=40), max_size=3
    ),
    st.binary(max_size=60),
)
def test_nobody_without_the_secret_gets_in(headers: dict[str, str], body: bytes) -> None:
    """Whatever is sent, it is refused as unproven and nothing else is raised."""
    assert code_of(headers, body) in ("missing", "malformed", "stale", "wrong")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "missing"),
        ("", "missing"),
        ("Basic dXNlcjpwYXNz", "malformed"),
        ("Bearer", "malformed"),
        ("Bearer  ", "malformed"),
        ("Bearer the-toke", "wrong"),
        ("Bearer the-token-", "wrong"),
        ("Bearer THE-TOKEN", "wrong"),
        ("Bearer ÿÿ", "wrong"),
    ],
)
def test_a_wrong_token_is_refused(header: str | None, code: str) -> None:
    """Only the whole token, and only as a bearer token."""
    with pytest.raises(SignatureError) as refused:
        verify_bearer(header, ["the-token"])
    assert refused.value.code == code
    assert "the-token" not in str(refused.value)


@pytest.mark.parametrize("header", ["Bearer the-token", "bearer the-token", "Bearer the-other"])
def test_a_right_token_is_accepted(header: str) -> None:
    """The scheme's case does not matter (RFC 9110), and both secrets count."""
    verify_bearer(header, ["the-token", "the-other"])
