"""Asks another agent something and waits for its answer: `python send_and_wait.py TO QUESTION`."""

import sys

import azall


def ask(mailbox: azall.Mailbox, to: str, question: str) -> str:
    """The answer's text."""
    # The watch begins before the question goes out: an answer cannot come in between.
    with mailbox.watch() as watch:
        sent = mailbox.send(to, "A question", question)
        for summary in watch:
            message = mailbox.read(summary)
            if message.in_reply_to == sent.id:
                return message.text
    raise SystemExit("the watch was ended before an answer came")


if __name__ == "__main__":
    with azall.Mailbox.open() as mailbox:
        print(ask(mailbox, sys.argv[1], sys.argv[2]))
