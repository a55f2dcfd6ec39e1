"""Notifiers of hlmon: Discord, Telegram, e-mail, Amazon SNS, webhooks, and through Apprise all the others.

`render` says what a message looks like, purely; each notifier's own module sends it.
"""
