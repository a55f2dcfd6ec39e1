"""Where people are told, as real services on loopback that can be made to do harm to each message.

A harm is a function that gets another one, by which the service accepts the message, and returns the service's answer
or raises Cut.
"""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, ClassVar, Self

import boto3
import trustme
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends

from tests.servers.chat import Discord, Reply, Request, Telegram
from tests.servers.mail import PASSWORD, USERNAME, MailServer
from tests.servers.supabase_proxy import Exchange, Proxy

Accept = Callable[[], Any]
Harm = Callable[[Accept], Any]
AWS_ACCOUNT, AWS_REGION = "123456789012", "us-east-1"


class Cut(Exception):
    """The connection ends without an answer."""


class Place(ABC):
    """One service. `met` counts the messages that met the harm of the day."""

    name: ClassVar[str]
    throttled: Any
    failing: Any

    def __init__(self) -> None:
        self.met = 0
        self._harm: Harm | None = None

    @abstractmethod
    def config(self) -> str:
        """The fields of its notifier."""

    @abstractmethod
    def texts(self) -> list[str]:
        """What arrived, in order."""

    @abstractmethod
    def outage(self) -> Any:
        """Meanwhile nobody listens."""

    @contextmanager
    def meeting(self, harm: Harm) -> Iterator[Self]:
        """Meanwhile every message meets this harm."""
        self.met, self._harm = 0, harm
        try:
            yield self
        finally:
            self._harm = None

    def take(self, accept: Accept) -> Any:
        """What the service does with a message."""
        harm = self._harm
        if harm is None:
            return accept()
        self.met += 1
        return harm(accept)


class Chat(Place):
    """What answers over HTTP from this process."""

    def __init__(self, service: Any) -> None:
        super().__init__()
        self.service = service
        service.trouble = self._reply

    def texts(self) -> list[str]:
        return list(self.service.accepted)

    def outage(self) -> Any:
        return self.service.outage()

    def _reply(self, request: Request) -> Reply | None:
        is_message = request.method == "POST" and not request.path.endswith(("getMe", "getChat"))
        reply: Reply | None = self.take(lambda: self.service.answer(request)) if is_message else None
        return reply


class DiscordPlace(Chat):
    name = "discord"
    throttled = Reply(429, {"message": "You are being rate limited.", "retry_after": 0.7, "global": False})
    failing = Reply(500, {"message": "500: Internal Server Error", "code": 0})

    def config(self) -> str:
        return 'type = "discord"'


class TelegramPlace(Chat):
    name = "telegram"
    throttled = Telegram.refuse(429, "Too Many Requests: retry after 1", {"retry_after": 1})
    failing = Telegram.refuse(500, "Internal Server Error")

    def config(self) -> str:
        return f'type = "telegram"\nchat_id = "{self.service.chat_id}"\nurl = "{self.service.url}"'


class HarmedMailServer(MailServer):
    """Asks `place` about each mail."""

    place: MailPlace

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        loop = asyncio.get_running_loop()

        def accept() -> str:
            return asyncio.run_coroutine_threadsafe(
                super(HarmedMailServer, self).handle_DATA(server, session, envelope), loop
            ).result()

        try:
            answer: str = await asyncio.to_thread(self.place.take, accept)
        except Cut:
            server.transport.abort()
            answer = "421 4.3.2 gone"
        return answer


class MailPlace(Place):
    name = "mail"
    throttled = "450 4.2.1 Too many mails, try again later"
    failing = "451 4.3.0 Local error in processing"

    def __init__(self, server: HarmedMailServer) -> None:
        super().__init__()
        self.server = server
        server.place = self

    def config(self) -> str:
        return (
            f'type = "email"\nhost = "127.0.0.1"\nport = {self.server.port}\nsecurity = "starttls"\n'
            f'username = "{USERNAME}"\npassword = "env:SMTP_PASSWORD"\n'
            'from = "hlmon <hlmon@example.com>"\nto = ["you@example.org"]'
        )

    def texts(self) -> list[str]:
        return [text_of(mail) for mail in list(self.server.mails)]

    def outage(self) -> Any:
        return self.server.outage()


def text_of(mail: EmailMessage) -> str:
    """The plain part."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


class HarmedExchange(Exchange):
    """Asks the proxy's place about each message before it is passed on."""

    server: HarmedProxy

    def pass_on(self) -> None:
        if b"Action=Publish" not in self.body:
            super().pass_on()
            return
        try:
            status, headers, body = self.server.place.take(self.upstream)
        except Cut:
            self.reset()
        else:
            self.answer(status, body, *[pair for pair in headers if pair[0].lower() == "content-type"])


class HarmedProxy(Proxy):
    """Stands before SNS."""

    place: SnsPlace

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.RequestHandlerClass = HarmedExchange


def aws_error(status: int, code: str) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer of SNS."""
    kind = "Sender" if status < 500 else "Receiver"
    error = f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    return status, [("Content-Type", "text/xml")], error.encode()


class SnsPlace(Place):
    name = "sns"
    throttled = aws_error(400, "Throttling")
    failing = aws_error(500, "InternalError")

    def __init__(self, proxy: HarmedProxy, topic: str) -> None:
        super().__init__()
        self.proxy, self.topic = proxy, topic
        proxy.place = self

    def config(self) -> str:
        return f'type = "sns"\ntopic_arn = "{self.topic}"\nendpoint_url = "{self.proxy.url}"'

    def published(self) -> list[tuple[str, str]]:
        """Subject and text of each."""
        sent = sns_backends[AWS_ACCOUNT][AWS_REGION].topics[self.topic].sent_notifications
        return [(subject, text) for _, text, subject, _, _ in list(sent)]

    def texts(self) -> list[str]:
        return [text for _, text in self.published()]

    def outage(self) -> Any:
        return self.proxy.outage()


class Places:
    """All of them; `environ` has their secrets and what trusts them."""

    def __init__(self, places: list[Place], environ: dict[str, str]) -> None:
        self.all = {place.name: place for place in places}
        self.environ = environ

    def config(self, more: str = "") -> str:
        """A notifier for each, with these further fields."""
        return "".join(f"[notifier.{place.name}]\n{place.config()}\n{more}\n" for place in self.all.values())


@contextmanager
def places(folder: Path) -> Iterator[Places]:
    """They listen meanwhile; the authority of the mail server's certificate is kept in `folder`."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with ExitStack() as stack:
        moto.start()
        stack.callback(moto.stop)
        url = "http://{}:{}".format(*moto.get_host_and_port())
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=AWS_REGION)
        with closing(session.client("sns", endpoint_url=url)) as client:
            topic = client.create_topic(Name=folder.name)["TopicArn"]
        discord = DiscordPlace(stack.enter_context(Discord()))
        telegram = TelegramPlace(stack.enter_context(Telegram()))
        mail = MailPlace(stack.enter_context(HarmedMailServer(context)))
        sns = SnsPlace(stack.enter_context(HarmedProxy(url)), topic)
        environ = {
            "DISCORD_WEBHOOK_URL": discord.service.webhook,
            "TELEGRAM_BOT_TOKEN": telegram.service.token,
            "SMTP_PASSWORD": PASSWORD,
            "SSL_CERT_FILE": str(folder / "authority.pem"),
            "AWS_ACCESS_KEY_ID": "AKIAHLMONTEST",
            "AWS_SECRET_ACCESS_KEY": "hush",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield Places([discord, telegram, mail, sns], environ)
