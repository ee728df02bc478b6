"""Lets only these senders in: `python whitelist.py PATTERN...`, such as `*@example.org`."""

import sys

import azall

if __name__ == "__main__":
    with azall.Mailbox.open() as mailbox:
        for pattern in sys.argv[1:]:
            mailbox.filter.allow(pattern)
        # An empty whitelist lets everybody in, so the mode is set once there is something on it.
        if mailbox.filter.state().whitelist:
            mailbox.filter.mode("whitelist")
        print(mailbox.filter.state())
