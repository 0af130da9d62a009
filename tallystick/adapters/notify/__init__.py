"""Where notices go: webhooks, e-mail, and webhooks as Slack has them; one file each, and one reads the settings."""

from tallystick.adapters.notify.targets import notifier_of

__all__ = ["notifier_of"]
