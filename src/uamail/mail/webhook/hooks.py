"""The doors for providers' calls, by their names."""

from uamail.mail.webhook.call import Call, Forged, Notice, stored
from uamail.mail.webhook.mailgun import read as mailgun
from uamail.mail.webhook.postmark import read as postmark
from uamail.mail.webhook.sns import certificate_url
from uamail.mail.webhook.sns import read as ses

__all__ = ["Call", "Forged", "Notice", "certificate_url", "mailgun", "postmark", "ses", "stored"]
