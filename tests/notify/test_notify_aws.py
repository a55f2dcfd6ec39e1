"""Amazon SNS and SES: what is published and sent, what their errors mean, what rights are enough."""

from __future__ import annotations

import json

import boto3
import pytest

from hlmon import ConfigError, Permanent, Transient
from hlmon.testing.builders import make_alert
from hlmon_notify import mail, sns
from hlmon_notify.errors import Blocked
from hlmon_notify.mail_config import EmailConfig
from hlmon_notify.render import Look, message_of
from hlmon_notify.render.sns import MESSAGE_BYTES, SUBJECT, sns_message
from hlmon_notify.sns import SnsConfig
from tests.servers.dynamodb import ministack


def topic_of(aws, **changes):
    return SnsConfig(**{"topic_arn": aws.topic, "endpoint_url": aws.url} | changes)


def ses_of(aws, **changes):
    options = {"via": "ses", "region": "us-east-1", "endpoint_url": aws.url}
    return EmailConfig(**options | {"sender": "hlmon <hlmon@example.com>", "to": ("you@example.org",)} | changes)


def xml_error(code, status=400):
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>on purpose</Message></Error></ErrorResponse>"
    return lambda exchange: exchange.answer(status, body.encode(), ("Content-Type", "text/xml"))


def json_error(code, status=400, message="on purpose"):
    body = json.dumps({"message": message}).encode()
    return lambda exchange: exchange.answer(
        status, body, ("Content-Type", "application/json"), ("x-amzn-errortype", code)
    )


def test_a_message_carries_attributes_for_filter_policies(aws, settings):
    labels = {"type": "position_closed", "coin": "BTC", "other": "x"}
    with sns.FACTORY.open(topic_of(aws), settings) as notifier:
        notifier.send([make_alert(rule="closes", account="0x" + "a" * 40, labels=labels)])
    ((_, text, subject, attributes, group),) = aws.published
    assert {name: each["Value"] for name, each in attributes.items()} == {
        "severity": "warning",
        "state": "event",
        "rule": "closes",
        "account": "0x" + "a" * 40,
        "type": "position_closed",
        "coin": "BTC",
    }
    assert (subject[:17], text[:2], group) == ("WARNING: BTC long", "⚠️", None)


def test_of_a_group_the_worst_severity_and_what_all_have_in_common_are_attributes():
    alerts = [
        make_alert(severity="info", labels={"coin": "BTC"}),
        make_alert(severity="critical", labels={"coin": "ETH"}),
    ]
    assert sns_message(message_of(alerts, Look()), alerts).attributes.keys() == {"severity", "state", "rule", "account"}
    assert sns_message(message_of(alerts, Look()), alerts).attributes["severity"] == "critical"


@pytest.mark.parametrize("title", ["Ünïcode 🚨", "\n\r\x00", "x" * 500, "(begins oddly"])
def test_the_subject_is_what_sns_takes(title):
    alerts = [make_alert(title=title)]
    subject = sns_message(message_of(alerts, Look()), alerts).subject
    assert subject.isascii()
    assert subject.isprintable()
    assert subject[0].isalnum()
    assert len(subject) <= SUBJECT


def test_a_text_is_cut_to_the_bytes_that_sns_takes():
    alerts = [make_alert(body="🚨" * 100_000)]
    text = sns_message(message_of(alerts, Look()), alerts).text
    assert MESSAGE_BYTES < len(text.encode()) < 262_144 - 2_000
    assert text.endswith("… (cut)")


def test_a_fifo_topic_keeps_conditions_apart_and_drops_a_repetition(aws, settings):
    options = {"FifoTopic": "true"}
    topic = aws.sns.create_topic(Name="alerts.fifo", Attributes=options)["TopicArn"]
    from moto.sns.models import sns_backends

    published = sns_backends["123456789012"]["us-east-1"].topics[topic].sent_notifications
    published.clear()
    alert, other = make_alert(subject="one"), make_alert(subject="two")
    with sns.FACTORY.open(topic_of(aws, topic_arn=topic), settings) as notifier:
        for alerts in ([alert], [alert], [other]):
            notifier.send(alerts)
    groups = [group for *_, group in published]
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("InvalidParameter", 400, Permanent),
        ("NotFound", 404, Blocked),
        ("AuthorizationError", 403, Blocked),
        ("InvalidClientTokenId", 403, Blocked),
        ("ExpiredToken", 403, Blocked),
        ("KMSAccessDenied", 400, Blocked),
        ("Throttled", 429, Transient),
        ("KMSThrottling", 400, Transient),
        ("InternalError", 500, Transient),
        ("Unknown", 503, Transient),
    ],
)
def test_an_error_of_sns_says_whose_matter_it_is(aws, settings, code, status, error):
    with sns.FACTORY.open(topic_of(aws), settings) as notifier:
        aws.proxy.requests.clear()
        aws.proxy.faults.append(xml_error(code, status))
        with pytest.raises(error, match="on purpose") as caught:
            notifier.send([make_alert()])
        assert isinstance(caught.value, Blocked) == (error is Blocked)
        assert len(aws.proxy.requests) == 1
        notifier.send([make_alert()])
    assert len(aws.published) == 1


@pytest.mark.parametrize(
    ("code", "status", "message", "error"),
    [
        ("BadRequestException", 400, "on purpose", Permanent),
        ("MessageRejected", 400, "on purpose", Permanent),
        ("MessageRejected", 400, "Email address is not verified. on purpose", Blocked),
        ("MailFromDomainNotVerifiedException", 400, "on purpose", Blocked),
        ("AccountSuspendedException", 400, "on purpose", Blocked),
        ("SendingPausedException", 400, "on purpose", Blocked),
        ("AccessDeniedException", 403, "on purpose", Blocked),
        ("TooManyRequestsException", 429, "on purpose", Transient),
        ("LimitExceededException", 400, "on purpose", Transient),
        ("InternalServiceErrorException", 500, "on purpose", Transient),
    ],
)
def test_an_error_of_ses_says_whose_matter_it_is(aws, settings, code, status, message, error):
    with mail.FACTORY.open(ses_of(aws), settings) as notifier:
        aws.proxy.requests.clear()
        aws.proxy.faults.append(json_error(code, status, message))
        with pytest.raises(error, match="on purpose") as caught:
            notifier.send([make_alert()])
        assert isinstance(caught.value, Blocked) == (error is Blocked)
        assert len(aws.proxy.requests) == 1


def test_the_address_alone_may_be_verified(aws, settings):
    aws.sesv2.create_email_identity(EmailIdentity="one@example.net")
    aws.ses.email_identities["one@example.net"].verified_for_sending_status = True
    with mail.FACTORY.open(ses_of(aws, sender="one@example.net"), settings) as notifier:
        notifier.send([make_alert()])
    assert [each.destinations[0] for each in aws.mails] == ["you@example.org"]
    aws.sesv2.delete_email_identity(EmailIdentity="one@example.net")


@pytest.mark.parametrize(
    ("factory", "config_of"), [(sns.FACTORY, topic_of), (mail.FACTORY, ses_of)], ids=["sns", "ses"]
)
def test_missing_credentials_are_named_at_opening(aws, settings, monkeypatch, factory, config_of):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="credentials"), factory.open(config_of(aws), settings):
        pass


def test_a_missing_region_is_named_at_opening(aws, settings):
    with pytest.raises(ConfigError, match="region"), mail.FACTORY.open(ses_of(aws, region=""), settings):
        pass


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """An AWS that enforces rights, with a topic, a sender, and one user."""
    with ministack(tmp_path_factory.mktemp("ministack-iam"), AUTH="true") as url:
        root = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        clients = {name: root.client(name, endpoint_url=url) for name in ("sns", "sesv2", "iam")}
        topic = clients["sns"].create_topic(Name="alerts")["TopicArn"]
        clients["sesv2"].create_email_identity(EmailIdentity="example.com")
        clients["iam"].create_user(UserName="hlmon")
        key = clients["iam"].create_access_key(UserName="hlmon")["AccessKey"]
        configs = {
            "sns": (sns.FACTORY, SnsConfig(topic_arn=topic, endpoint_url=url)),
            "ses": (
                mail.FACTORY,
                EmailConfig(
                    sender="hlmon@example.com",
                    to=("you@example.com",),
                    via="ses",
                    region="us-east-1",
                    endpoint_url=url,
                ),
            ),
        }
        yield clients["iam"], key, configs
        for client in clients.values():
            client.close()


def grant(iam, needs, without=""):
    statements = [
        {
            "Effect": "Allow",
            "Action": [action for action in need.details["actions"] if action != without],
            # ministack knows rights on SES as a whole only, where AWS knows them for each identity
            "Resource": "*" if ":ses:" in need.name else need.details["resource"],
        }
        for need in needs
        if need.kind == "permission"
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_user_policy(UserName="hlmon", PolicyName="notify", PolicyDocument=policy)


@pytest.mark.parametrize("service", ["sns", "ses"])
def test_the_rights_that_it_states_are_enough_and_without_the_first_opening_names_it(
    guarded, settings, monkeypatch, service
):
    iam, key, configs = guarded
    factory, config = configs[service]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    needs = factory.needs(config)
    grant(iam, needs)
    with factory.open(config, settings) as notifier:
        notifier.send([make_alert()])
    look = next(need for need in needs if need.kind == "permission").details["actions"][0]
    grant(iam, needs, without=look)
    with pytest.raises(ConfigError, match=look), factory.open(config, settings):
        pass
