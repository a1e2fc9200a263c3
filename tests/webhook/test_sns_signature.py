"""Is this from Amazon SNS? Without a server, with a key of our own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509 import Certificate, load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st
from webhook_parts import CERTIFICATE_URL, TOPIC, Sns

from setpoint.events.signatures import SignatureError
from setpoint.events.sns_signature import SnsMessage, verify_sns

KEY = Sns()


def check(sns: Sns, message: dict[str, Any], *, now: datetime | None = None) -> SnsMessage:
    """Verify as the endpoint does."""

    def certificate(url: str) -> Certificate:
        return load_pem_x509_certificate(sns.fetch(url))

    return verify_sns(message, [TOPIC], now=now or datetime.now(UTC), certificate=certificate)


def code_of(sns: Sns, message: dict[str, Any], *, now: datetime | None = None) -> str:
    """The code of the refusal."""
    with pytest.raises(SignatureError) as refused:
        check(sns, message, now=now)
    return refused.value.code


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_the_signature_verify(sns: Sns, version: str) -> None:
    """SHA-1 unless the topic says otherwise, SHA-256 when its SignatureVersion is 2."""
    proven = check(sns, sns.notification({"policy": "api"}, version))
    assert (proven.type, proven.topic, proven.confirm_url) == ("Notification", TOPIC, None)
    assert sns.fetched == [CERTIFICATE_URL]


def test_a_notification_without_a_subject_verifies(sns: Sns) -> None:
    """The subject is signed only when there is one."""
    message = sns.notification({"policy": "api"})
    bare = {name: value for name, value in message.items() if name != "Subject"}
    assert code_of(sns, bare) == "wrong"
    assert check(sns, sns.sign(bare)).type == "Notification"


@pytest.mark.parametrize("name", ["Message", "MessageId", "Subject", "Timestamp"])
def test_what_is_signed_cannot_be_altered(sns: Sns, name: str) -> None:
    """Each field that the documentation lists is under the signature."""
    message = sns.notification({"policy": "api"})
    assert code_of(sns, {**message, name: message[name] + "0"}) in ("wrong", "stale")
    with_number = {**message, name: 7}
    assert code_of(sns, with_number) == "malformed"


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/../SimpleNotificationService-0.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem?x=1",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem\n",
        "https://bucket.s3.amazonaws.com/SimpleNotificationService-0.pem",
        "",
        None,
        {"url": 1},
    ],
)
def test_a_certificate_of_another_place_is_never_asked_for(sns: Sns, url: object) -> None:
    """Only the host of the configured topic's region, only over TLS, only SNS's own file names."""
    assert code_of(sns, {**sns.notification("x"), "SigningCertURL": url}) == "malformed"
    assert sns.fetched == []


def test_another_topic_is_refused_before_anything_is_fetched(sns: Sns) -> None:
    """Anybody may have a topic: SNS's signature alone proves nothing about whose it is."""
    other = sns.notification("x", TopicArn="arn:aws:sns:eu-west-1:999999999999:alarms")
    assert code_of(sns, other) == "topic"
    assert sns.fetched == []


@pytest.mark.parametrize("hours", [3, -1])
def test_an_old_notification_is_stale(sns: Sns, hours: int) -> None:
    """Longer ago than SNS would try, or from the future: a recording."""
    assert code_of(sns, sns.notification("x"), now=datetime.now(UTC) + timedelta(hours=hours)) == "stale"


def test_an_expired_certificate_is_refused(sns: Sns) -> None:
    """A key that leaked years ago signs nothing any more."""
    expired = load_pem_x509_certificate(sns.pem(since=datetime.now(UTC) - timedelta(days=60)))
    with pytest.raises(SignatureError, match="not valid now"):
        verify_sns(sns.notification("x"), [TOPIC], now=datetime.now(UTC), certificate=lambda url: expired)


@pytest.mark.parametrize(
    "changes",
    [
        {"SignatureVersion": "3"},
        {"SignatureVersion": None},
        {"SignatureVersion": ["1"]},
        {"Signature": "%%%"},
        {"Signature": None},
    ],
)
def test_a_signature_of_another_form_is_refused(sns: Sns, changes: dict[str, Any]) -> None:
    """Only the two versions there are; nothing means none."""
    assert code_of(sns, {**sns.notification("x"), **changes}) in ("malformed", "wrong")


_KEYS = ["Type", "TopicArn", "SigningCertURL", "SignatureVersion", "Signature", "Message", "MessageId", "Timestamp"]
_VALUES = st.sampled_from(["Notification", "SubscriptionConfirmation", TOPIC, CERTIFICATE_URL, "1", "2", "QUJD", ""])


@given(
    st.dictionaries(
        st.sampled_from(_KEYS),
        _VALUES | st.none() | st.integers() | st.lists(st.text(), max_size=2) | st.text(max_size=20),
        max_size=8,
    )
)
def test_nobody_but_sns_gets_in(message: dict[str, Any]) -> None:
    """Whatever an object says of itself, it is refused as unproven, and nothing else is raised."""
    assert code_of(KEY, message) in ("missing", "topic", "malformed", "wrong", "stale")


def test_raw_delivery_is_told_apart(sns: Sns) -> None:
    """Raw message delivery has no signature; the refusal says what to change."""
    with pytest.raises(SignatureError, match="turn it off"):
        check(sns, {"policy": "api"})


def test_the_address_that_confirms_is_made_of_what_was_signed(sns: Sns) -> None:
    """SubscribeURL is not followed wherever it leads: the address is SNS's own, with the signed topic and token."""
    proven = check(sns, sns.confirmation())
    assert proven.confirm_url == (
        "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription"
        "&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Aalarms&Token=2336412f37"
    )
    assert code_of(sns, sns.confirmation(Token="x&TopicArn=other")) == "malformed"
