"""Sends files, or keeps those that came: `python attachments.py send TO FILE...` or `python attachments.py keep FOLDER`."""

import sys
from pathlib import Path

import azall


def keep(mailbox: azall.Mailbox, folder: Path) -> None:
    """Saves the attachments of all messages that were not read yet, each message's in a folder of its own."""
    for summary in mailbox.inbox(all=True, unread=True):
        for attachment in mailbox.read(summary).attachments:
            if attachment.path is not None:
                (folder / summary.id).mkdir(parents=True, exist_ok=True)
                print(attachment.save(folder / summary.id))


if __name__ == "__main__":
    with azall.Mailbox.open() as mailbox:
        if sys.argv[1] == "send":
            sent = mailbox.send(sys.argv[2], "Files", "See attached.", attachments=sys.argv[3:])
            for recipient in sent.recipients:
                print(recipient.address, recipient.state, recipient.reason or "")
        else:
            keep(mailbox, Path(sys.argv[2]))
