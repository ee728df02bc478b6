"""Shows each message as it arrives, until Ctrl-C: `python watch.py`."""

import azall

if __name__ == "__main__":
    with azall.Mailbox.open() as mailbox:
        try:
            for message in mailbox.watch(unread=True):
                # repr: a subject comes from outside, and must not steer the terminal.
                print(f"{message.from_!r} {message.subject!r} ({message.verdict or 'unchecked'})", flush=True)
        except KeyboardInterrupt:
            print("That was all.")
